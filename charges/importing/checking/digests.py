"""What rows are told by: digests of what a row is about, and of all that it says.

Not of the bare text: providers write an account in capitals here and in small letters there, an instant with and
without seconds, nothing as NULL. Digests only find a row again: the control totals would notice a wrong one.
"""

from array import array
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

from xxhash import xxh3_64_intdigest

from charges.focus import COLUMNS, NULLS, Header
from charges.focus.values import account
from charges.importing.checking.errors import BadRow
from charges.importing.checking.memo import Memo
from charges.importing.checking.moments import moment
from charges.importing.reading.coded import Coded, as_arrow
from charges.models import Source

NULL_WORDS = NULLS - {""}
INSTANTS = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
Columns = Sequence[Coded[str]]


class Digests:
    """Of the rows of one file."""

    def __init__(self, header: Header, source: Source) -> None:
        self.header = header
        at = header.positions
        # The same text under other settings is another charge: part of what a row is compared by.
        self.read_otherwise = xxh3_64_intdigest(unless_usual(source)) if unless_usual(source) else 0
        self.weights = [xxh3_64_intdigest(label) | 1 for label in _encoded(header.labels)]
        self.instant = Memo(_instant)
        self.spelt = {at[name]: self.instant for name in INSTANTS if name in at}
        if "BillingAccountId" in at:
            self.spelt[at["BillingAccountId"]] = Memo(account)
        self.nullable = {
            at[column.name]
            for column in COLUMNS
            if column.nullable and column.name in at and at[column.name] in header.identity
        }

    def of(self, columns: Columns) -> tuple[Sequence[int], Sequence[int]]:
        """Of what each row is about, and of all that it says.

        A row's digest is the sum of those of its cells, each times the weight of its column, so that neither the order
        of columns nor an empty one matters, and columns that say the same are hashed once.
        """
        rows = len(columns[0])
        identities = self._sum(self.header.identity, columns, 0, rows)
        contents = self._sum(self.header.amounts, columns, self.read_otherwise, rows)
        return _integers(identities), _integers(_call("add", identities, contents))

    def _sum(self, places: Iterable[int], columns: Columns, start: int, rows: int) -> Any:
        """Of each row, modulo 2 to the 64th."""
        told = {at: self._as_told(at, columns[at]) for at in places}
        different = {id(column): column for column in told.values()}
        weights = dict.fromkeys(different, 0)
        for at, column in told.items():
            weights[id(column)] += self.weights[at]
        return _total([(_hashed(column), weights[key]) for key, column in different.items()], start, rows)

    def _as_told(self, at: int, column: Coded[str]) -> Coded[str]:
        if at in self.spelt:
            return column.map(self.spelt[at].__getitem__)
        return without_nulls(column) if at in self.nullable else column

    def of_raw(self, cells: Sequence[str]) -> int:
        """Tells a bad row when it comes again, whatever empty columns and forms of time the file has by then."""
        has_shape = len(cells) == len(self.header.names)
        text = sorted(map(self._said, self.header.labels, cells)) if has_shape else cells
        told = "\x1f".join(filter(None, text) if has_shape else text)
        return _signed(map(xxh3_64_intdigest, _encoded([told])))[0]

    def _said(self, name: str, text: str) -> str:
        if text.strip() in NULLS:
            return ""
        return f"{name}\x1e{self.instant[text]}"


def without_nulls(column: Coded[str]) -> Coded[str]:
    if NULL_WORDS.isdisjoint(column.values):
        return column
    return column.map(lambda text: "" if text in NULL_WORDS else text)


def _instant(text: str) -> str:
    """In one form; what is no instant as it stands."""
    try:
        at = moment(text).at
    except ValueError:
        return text
    return at.isoformat() if at else ""


def unless_usual(source: Source) -> bytes:
    is_usual = source.basis == Source.Basis.EFFECTIVE and not source.has_inclusive_ends
    return b"" if is_usual else f"\x1e{source.basis}{source.has_inclusive_ends:d}".encode()


def _hashed(column: Coded[str]) -> Coded[int]:
    """Nothing says nothing."""
    if "\x00" in "".join(column.values):
        raise BadRow("", "", "The row holds a NUL character.", column.places(lambda text: "\x00" in text))
    hashes = map(xxh3_64_intdigest, _encoded(column.values))
    return Coded([number if text else 0 for text, number in zip(column.values, hashes, strict=True)], column.codes)


def _total(columns: Sequence[tuple[Coded[int], int]], start: int, rows: int) -> Any:
    """Of each row, what its columns come to, each times its weight; an overflow begins anew, as wanted."""
    import pyarrow as pa  # noqa: PLC0415 - a quarter of a second that other commands need not wait

    start += sum(column.values[0] * weight for column, weight in columns if len(column.values) == 1)
    total = pa.repeat(_scalar(start), rows)
    for column, weight in columns:
        if len(column.values) > 1:
            hashes = _call("take", as_arrow(_signed(column.values)), as_arrow(column.codes))
            total = _call("add", total, _call("multiply", hashes, _scalar(weight)))
    return total


def _scalar(number: int) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    [signed] = _signed([number % 2**64])
    return pa.scalar(signed, pa.int64())


def _call(function: str, *arguments: Any) -> Any:
    """Without the wrappers of pyarrow.compute, which take longer than some thousand numbers do."""
    from pyarrow import compute  # noqa: PLC0415

    return compute.call_function(function, list(arguments))


def _integers(column: Any) -> Sequence[int]:
    return memoryview(column.buffers()[1]).cast("q")[column.offset : column.offset + len(column)]


def _encoded(texts: Iterable[str]) -> Iterable[bytes]:
    return map(str.encode, texts, repeat("utf-8"), repeat("surrogatepass"))


def _signed(digests: Iterable[int]) -> "array[int]":
    """As the database holds integers."""
    return array("q", array("Q", digests).tobytes())
