"""Coded columns are sequences like any other, whatever is done to them."""

from collections import Counter
from itertools import compress

from hypothesis import given
from hypothesis import strategies as st

from charges.importing.reading.coded import Coded, together

values = st.sampled_from("abc")
columns = st.lists(values, min_size=1, max_size=12)
tables = st.integers(1, 12).flatmap(
    lambda rows: st.lists(st.lists(values, min_size=rows, max_size=rows), min_size=1, max_size=4)
)


@given(columns)
def test_a_column_says_what_its_rows_say(rows):
    column = Coded.of(rows)

    assert list(column) == rows
    assert [column[at] for at in range(len(column))] == rows
    assert sorted(column.values) == sorted(set(rows))
    assert column.tally() == Counter(rows)
    assert [column.count(value) for value in "abcd"] == [rows.count(value) for value in "abcd"]
    assert ["a" in column, "d" in column] == ["a" in rows, False]


@given(columns, st.integers(0, 12), st.integers(0, 12))
def test_a_part_holds_the_values_of_its_rows_alone(rows, start, end):
    part = Coded.of(rows)[start:end]

    assert list(part) == rows[start:end]
    assert set(part.values) == set(rows[start:end])


@given(columns)
def test_a_function_is_called_once_a_value(rows):
    asked: list[str] = []
    upper = Coded.of(rows).map(lambda value: (asked.append(value), value.upper())[1])

    assert list(upper) == [value.upper() for value in rows]
    assert sorted(asked) == sorted(set(rows))


@given(columns)
def test_values_that_became_equal_are_told_together(rows):
    same = Coded.of(rows).map(lambda value: value == "a").distinct()

    assert list(same) == [value == "a" for value in rows]
    assert len(same.values) == len(set(same))


@given(columns, st.dictionaries(st.integers(0, 11), st.text(max_size=2)))
def test_single_rows_can_be_replaced(rows, changes):
    changes = {at: value for at, value in changes.items() if at < len(rows)}

    assert list(Coded.of(rows).replaced(changes)) == [changes.get(at, value) for at, value in enumerate(rows)]


@given(tables, st.booleans())
def test_columns_together_say_each_combination_once(table, has_own_values):
    columns = [Coded.of(rows) for rows in table]
    derived = columns[0].map(str.upper)
    own = Coded.each(range(len(table[0]))) if has_own_values else Coded.same(0, len(table[0]))

    both = together(*columns, derived, own)

    assert list(both) == list(zip(*table, derived, own, strict=True))
    assert len(set(both.values)) == len(both.values)


@given(columns, st.lists(st.booleans(), min_size=12, max_size=12))
def test_of_columns_that_vary_together_the_same_rows_are_kept(rows, wanted):
    column = Coded.of(rows)
    kept = Coded.of(compress(column.codes, wanted))

    assert list(column.recoded(kept)) == list(compress(rows, wanted))


def test_columns_say_the_same_if_each_row_does():
    column = Coded.of("abab")

    assert column.says_the_same(Coded.of("abab"))
    assert not column.says_the_same(Coded.of("abba"))
    assert not column.says_the_same(Coded.of("acac"))


@given(columns, st.sampled_from("abc"))
def test_places_are_the_rows_of_what_is_meant(rows, wanted):
    assert Coded.of(rows).places(wanted.__eq__) == [at for at, value in enumerate(rows) if value == wanted]
