"""Templates: what they may do, how amounts and dates read, and what a broken one says."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from jinja2.exceptions import SecurityError

from periods.errors import Refused
from statements import templating


def write(home: Path, text: str, name: str = "note.txt") -> Path:
    file = home / "templates" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("amount", "currency", "printed"),
    [
        ("2400", "USD", "$2,400.00"),
        ("-12.5", "USD", "−$12.50"),
        ("0", "USD", "$0.00"),
        ("0.004", "USD", "< $0.01"),
        ("-0.009999999", "USD", "> −$0.01"),
        ("0.01", "USD", "$0.01"),
        ("0.015", "USD", "$0.02"),
        ("0.025", "USD", "$0.03"),
        ("1234.5", "JPY", "¥1,235"),
        ("0.4", "JPY", "< ¥1"),
        ("1234567890.12", "USD", "$1,234,567,890.12"),
    ],
)
def test_money_reads_as_people_write_it(amount, currency, printed):
    assert templating.money(Decimal(amount), currency) == printed


@pytest.mark.parametrize(("amount", "printed"), [("5", "+$5.00"), ("-5", "−$5.00"), ("0", "$0.00")])
def test_signed_money_always_shows_its_sign(amount, printed):
    assert templating.signed(Decimal(amount), "USD") == printed


def test_money_follows_the_locale(settings):
    settings.LOCALE = "de_DE"
    assert templating.money(Decimal("-1234.5"), "EUR") == "−1.234,50\N{NO-BREAK SPACE}€"


def test_dates_follow_the_institutions_clock(settings):
    settings.TIME_ZONE = "America/Chicago"
    assert templating.day(datetime(2025, 2, 1, 3, 0, tzinfo=UTC)) == "January 31, 2025"
    assert templating.day(date(2025, 2, 1)) == "February 1, 2025"
    assert templating.month("2025-02") == "February 2025"


def test_the_institutions_template_comes_first(home):
    write(home, "ours\n", "statements/statement.html")
    assert templating.render("statements/statement.html", autoescape=True) == "ours\n"


def test_names_are_escaped_in_html(home):
    write(home, "{{ name }}")
    name = "<img src=x>"
    assert templating.render("note.txt", autoescape=True, name=name) == "&lt;img src=x&gt;"
    assert templating.render("note.txt", autoescape=False, name=name) == name


@pytest.mark.parametrize("name", ["שרה (12)", "مختبر 2024", "\u0700", "\U0001e900"])
def test_names_from_right_to_left_keep_to_themselves_in_html(home, name):
    write(home, "{% macro bold() %}<b>{{ name }}</b>{% endmacro %}{{ bold() }}: {{ 1 }} {{ 'Ada' }} {{ name }}")
    isolated = f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"
    assert templating.render("note.txt", autoescape=True, name=name) == f"<b>{isolated}</b>: 1 Ada {isolated}"
    assert templating.render("note.txt", autoescape=False, name=name) == f"<b>{name}</b>: 1 Ada {name}"


def test_a_template_cannot_leave_the_sandbox(home):
    write(home, "{{ ''.__class__.__mro__ }}")
    with pytest.raises(Refused) as refused:
        templating.render("note.txt", autoescape=False)
    assert isinstance(refused.value.__cause__, SecurityError)


def test_a_template_cannot_change_what_it_is_given(home):
    file = write(home, "{% set _ = lines.clear() %}")
    lines = [1]
    with pytest.raises(Refused) as refused:
        templating.render("note.txt", autoescape=False, lines=lines)
    assert str(refused.value).startswith(f"The template {file}, line 1, cannot be used: ")
    assert lines == [1]


def test_a_template_that_includes_itself_is_named(home):
    file = write(home, "\n{% include 'note.txt' %}")
    with pytest.raises(Refused) as refused:
        templating.render("note.txt", autoescape=False)
    assert str(refused.value).startswith(f"The template {file}, line 2, cannot be used: maximum recursion depth")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("one\n{{ nobody }}\n", "line 2, cannot be used: 'nobody' is undefined."),
        ("one\ntwo\n{% if %}", "line 3, cannot be used: Expected an expression, got 'end of statement block'."),
        ("{{ 1 / 0 }}", "line 1, cannot be used: division by zero."),
        ("{{ '2025-01' | date }}", "line 1, cannot be used: AssertionError."),
        ("{{ 'x' * 10**15 }}", "line 1, cannot be used: MemoryError."),
        ("{{ 1 | nothing }}", "line 1, cannot be used: No filter named 'nothing'."),
        ("\n{{ amount|money }}", "line 2, cannot be used: money() missing 1 required positional argument: 'currency'."),
    ],
)
def test_a_broken_template_is_named_with_its_line(home, text, sentence):
    file = write(home, text)
    with pytest.raises(Refused) as refused:
        templating.render("note.txt", autoescape=False, amount=Decimal(1))
    assert str(refused.value) == f"The template {file}, {sentence}"


def test_a_template_without_an_end_is_ended(home):
    loop = "{% for a in range(99999) %}{% for b in range(99999) %}" + "x" * 5000 + "{% endfor %}{% endfor %}"
    write(home, loop)

    with pytest.raises(Refused) as refused:
        templating.render("note.txt", autoescape=False)

    assert str(refused.value) == (
        "The template note.txt cannot be used: it makes more than 50,000,000 characters, as a loop within a loop may."
    )


def test_an_absent_template_is_named(home):
    with pytest.raises(Refused) as refused:
        templating.render("nowhere.txt", autoescape=False)
    assert str(refused.value).startswith("The template nowhere.txt (or one that it names) cannot be used:")
