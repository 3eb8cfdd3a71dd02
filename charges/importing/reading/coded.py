"""Columns that say each of their values once, so that what follows from a value is worked out once.

A billing file says nearly everything thousands of times.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, Generic, Protocol, TypeVar, overload

V = TypeVar("V")
W = TypeVar("W")


class Codes(Protocol):
    """Places among the values, one a row: 32-bit integers, or a range where each row has a value of its own."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[int]: ...
    def __getitem__(self, at: Any, /) -> Any: ...


class Coded(Sequence[V], Generic[V]):
    """One entry a row, as any sequence. No row says a value: there is none.

    Values are told apart when a column is made. After `map` some may be equal.
    """

    __slots__ = ("codes", "values")

    def __init__(self, values: Sequence[V], codes: Codes) -> None:
        self.values, self.codes = values, codes

    @classmethod
    def of(cls, column: Iterable[V]) -> "Coded[V]":
        numbers: _Numbers = _Numbers()
        codes = array("i", [numbers[value] for value in column])
        return cls(list(numbers), codes)

    @classmethod
    def each(cls, column: Iterable[V]) -> "Coded[V]":
        """Of amounts, which hardly ever are the same: no value is looked for among the others."""
        values = list(column)
        return cls(values, range(len(values)))

    @classmethod
    def same(cls, value: V, rows: int) -> "Coded[V]":
        """All rows say the same."""
        return cls([value], array("i", bytes(4 * rows)))

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[V]:
        return iter(self.values) if isinstance(self.codes, range) else map(self.values.__getitem__, self.codes)

    def __contains__(self, value: object) -> bool:
        return value in self.values

    @overload
    def __getitem__(self, at: int) -> V: ...
    @overload
    def __getitem__(self, at: slice) -> "Coded[V]": ...
    def __getitem__(self, at: int | slice) -> "V | Coded[V]":
        if isinstance(at, slice):
            return self.recoded(Coded.of(self.codes[at]))
        return self.values[self.codes[at]]

    def places(self, is_meant: Callable[[V], bool]) -> list[int]:
        """The rows whose value is meant; each value is asked about once."""
        meant = {code for code, value in enumerate(self.values) if is_meant(value)}
        return [at for at, code in enumerate(self.codes) if code in meant] if meant else []

    def count(self, value: object) -> int:
        return self.tally()[value] if value in self.values else 0  # type: ignore[index]

    def counts(self) -> list[int]:
        """Rows by value."""
        found = Counter(self.codes)
        return [found[code] for code in range(len(self.values))]

    def tally(self) -> Counter[V]:
        found: Counter[V] = Counter()
        for value, rows in zip(self.values, self.counts(), strict=True):
            found[value] += rows
        return found

    def map(self, function: Callable[[V], W]) -> "Coded[W]":
        """The function is called once a value."""
        return Coded([*map(function, self.values)], self.codes)

    def distinct(self) -> "Coded[V]":
        """The same rows, their values told apart once more."""
        numbers = Coded.of(self.values)
        if len(numbers.values) == len(self.values):
            return self
        if len(numbers.values) == 1:
            return Coded.same(self.values[0], len(self))
        return Coded(numbers.values, array("i", map(numbers.codes.__getitem__, self.codes)))

    def recoded(self, codes: "Coded[int]") -> "Coded[V]":
        """Of some of the rows, whose codes these are."""
        return Coded([self.values[code] for code in codes.values], codes.codes)

    def replaced(self, changes: Mapping[int, V]) -> "Coded[V]":
        """With other values in some rows, by their places."""
        if not changes:
            return self
        codes = array("i", self.codes)
        for number, at in enumerate(changes, start=len(self.values)):
            codes[at] = number
        return Coded([*self.values, *changes.values()], codes)[:]

    def says_the_same(self, other: "Coded[V]") -> bool:
        return self.values == other.values and bytes(self.codes) == bytes(other.codes)


class Selection:
    """The same rows of any columns, those at which `wanted` is true; what varies together goes on to."""

    def __init__(self, wanted: Sequence[Any]) -> None:
        self.wanted = wanted
        self.codes: dict[int, Coded[int]] = {}

    def of(self, column: Any) -> Any:
        """Of a column, or of each in a mapping."""
        if isinstance(column, dict):
            return {name: self.of(one) for name, one in column.items()}
        if not isinstance(column, Coded):
            return list(compress(column, self.wanted))
        if isinstance(column.codes, range):
            return Coded.each(compress(column.values, self.wanted))
        codes = self.codes.get(id(column.codes))
        if codes is None:
            codes = self.codes[id(column.codes)] = Coded.of(compress(column.codes, self.wanted))
        return column.recoded(codes)


class _Numbers(dict[Any, int]):
    """Counts from 0 in the order of first use."""

    def __missing__(self, key: Any) -> int:
        number = self[key] = len(self)
        return number


def said_by(column: Sequence[V]) -> Sequence[V]:
    """All that is said in any column: by a coded one once, or nearly so."""
    return column.values if isinstance(column, Coded) else column


def together(*columns: Coded[Any]) -> Coded[tuple[Any, ...]]:
    """What rows say in all of these columns, each combination once."""
    varying = {id(column.codes): column.codes for column in columns if len(column.values) > 1}
    if any(isinstance(codes, range) for codes in varying.values()):
        return Coded.each(zip(*columns, strict=True))
    if len(varying) <= 1:
        codes = next(iter(varying.values()), columns[0].codes)
        rows = max(len(column.values) for column in columns)
        return Coded(list(zip(*(_all(column, rows) for column in columns), strict=True)), codes)
    pairs = Coded.of(zip(*varying.values(), strict=True))
    by_column = dict(zip(varying, zip(*pairs.values, strict=True), strict=True))
    values = [_picked(column, by_column.get(id(column.codes)), len(pairs.values)) for column in columns]
    return Coded(list(zip(*values, strict=True)), pairs.codes)


def _all(column: Coded[V], values: int) -> Sequence[V]:
    return column.values if len(column.values) == values else [*column.values] * values


def _picked(column: Coded[V], codes: Sequence[int] | None, values: int) -> Sequence[V]:
    if codes is None:
        return [column.values[0]] * values
    return [column.values[code] for code in codes]


def as_arrow(numbers: Any) -> Any:
    """An array, or a view of one, of 32 or 64 bits, as Arrow has it: the same memory."""
    import pyarrow as pa  # noqa: PLC0415 - a quarter of a second that other commands need not wait

    kind = pa.int32() if numbers.itemsize == 4 else pa.int64()  # noqa: PLR2004
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])
