"""What rows are told by: digests of what a row is about, and of all that it says.

Not of the bare text: providers write an account in capitals here and in small letters there, an instant with and
without seconds, nothing as NULL. Digests only find a row again: the control totals would notice a wrong one.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from operator import itemgetter

from xxhash import xxh3_64_intdigest

from charges.focus import COLUMNS, NULLS, Header
from charges.focus.values import account
from charges.importing.errors import BadRow
from charges.importing.memo import Memo
from charges.importing.moments import moment
from charges.models import Source

NULL_WORDS = NULLS - {""}
INSTANTS = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
Columns = Sequence[Sequence[str]]


class Digests:
    """Of the rows of one file."""

    def __init__(self, header: Header, source: Source) -> None:
        self.header = header
        at = header.positions
        # The same text under other settings is another charge: part of what a row is compared by.
        self.read_otherwise = unless_usual(source)
        self.identity, self.rest = _picker(header.identity), _picker(header.amounts)
        self.instant = Memo(_instant)
        self.spelt = {at[name]: self.instant for name in INSTANTS if name in at}
        if "BillingAccountId" in at:
            self.spelt[at["BillingAccountId"]] = Memo(account)
        self.nullable = [
            at[column.name]
            for column in COLUMNS
            if column.nullable and column.name in at and at[column.name] in header.identity
        ]

    def of(self, columns: Columns) -> tuple[Sequence[int], Sequence[int]]:
        """Of what each row is about, and of all that it says. The order of columns is of no matter."""
        abouts = _encoded(_joined(self.identity(self._in_one_spelling(columns))))
        rests = _encoded(_joined(self.rest(columns)))
        if self.read_otherwise:
            rests = map(bytes.__add__, rests, repeat(self.read_otherwise))
        identities = list(map(xxh3_64_intdigest, abouts))
        return _signed(identities), _signed(map(xxh3_64_intdigest, rests, identities))

    def of_raw(self, cells: Sequence[str]) -> int:
        """Tells a bad row when it comes again, whatever empty columns and forms of time the file has by then."""
        has_shape = len(cells) == len(self.header.names)
        text = sorted(map(self._said, self.header.labels, cells)) if has_shape else cells
        told = "\x1f".join(filter(None, text) if has_shape else text)
        return _signed(map(xxh3_64_intdigest, _encoded([told])))[0]

    def _in_one_spelling(self, columns: Columns) -> Columns:
        spelt = list(columns)
        for index, memo in self.spelt.items():
            spelt[index] = [memo[text] for text in columns[index]]
        for index in self.nullable:
            if any(word in columns[index] for word in NULL_WORDS):  # quicker than to hash every cell
                spelt[index] = without_nulls(spelt[index])
        return spelt

    def _said(self, name: str, text: str) -> str:
        if text.strip() in NULLS:
            return ""
        return f"{name}\x1e{self.instant[text]}"


def without_nulls(column: Sequence[str]) -> Sequence[str]:
    if not NULL_WORDS.isdisjoint(column):
        return ["" if text in NULL_WORDS else text for text in column]
    return column


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


def _picker(order: Sequence[int]) -> Callable[[Sequence[Sequence[str]]], Columns]:
    return itemgetter(*order) if len(order) > 1 else lambda columns: [columns[index] for index in order]


def _joined(columns: Columns) -> list[str]:
    """The cells of each row as one text."""
    texts = list(map("\x1f".join, zip(*columns, strict=True)))
    if "\x00" in "".join(texts):
        raise BadRow("", "", "The row holds a NUL character.")
    return texts


def _encoded(texts: Iterable[str]) -> Iterable[bytes]:
    return map(str.encode, texts, repeat("utf-8"), repeat("surrogatepass"))


def _signed(digests: Iterable[int]) -> Sequence[int]:
    """As the database holds integers."""
    return array("q", array("Q", digests).tobytes())
