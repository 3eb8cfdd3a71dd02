"""Charges that the provider has divided: the parts count, and the charge they came from does not.

FOCUS 1.3, "split cost allocation": a row with AllocatedMethodId is a part; the other columns are those of its
origin, and the amounts of all parts add up to the origin's. Only the origin's own row has no AllocatedMethodId.
Providers round parts, so that a sum may miss by a little; a row that could be an origin and is not the sum is for a
person to look at. So is a row that is the sum of parts which name resources of their own, against the specification:
nothing tells whether they were divided from it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db.models import QuerySet

from charges.focus import Header
from charges.importing.checking.memo import Memo
from charges.importing.checking.rows import BadRow, Division, RowReader, Rows
from charges.importing.reading.chunk import Chunk
from charges.importing.writing import instant
from charges.models import Charge, Source

Corrector = Callable[[RowReader, int, list[str]], Rows | None]
KEY = ("billing_account_id", "sub_account_id", "resource_id", "sku_id", "charge_category", "service_name")
BUT_RESOURCE = tuple(field for field in KEY if field != "resource_id")
ROUNDING = 1000  # billionths that a part may be off by
Amounts = tuple[int, int]  # due and list, in billionths
Row = tuple[int, int, str, Amounts]  # its key, that without its resource, and the method of a part


@dataclass(slots=True)
class Divided:
    """The parts of one key, added up, and the rows beside them."""

    due: int = 0
    listed: int = 0
    parts: int = 0
    beside: Amounts = (0, 0)
    origins: int = 0  # rows that are the sum of the parts by themselves

    def add_part(self, amounts: Amounts) -> None:
        due, listed = amounts
        self.due, self.listed, self.parts = self.due + due, self.listed + listed, self.parts + 1

    def add_other(self, amounts: Amounts) -> None:
        """Once all parts are known."""
        self.beside = (self.beside[0] + amounts[0], self.beside[1] + amounts[1])
        self.origins += self._is_sum(amounts)

    def judge(self, amounts: Amounts) -> Division:
        if not any(amounts):
            return Division.NONE
        if self._is_sum(self.beside):
            return Division.ORIGIN
        if self.origins == 1:
            return Division.ORIGIN if self._is_sum(amounts) else Division.NONE
        return Division.UNCLEAR

    def may_be_of(self, amounts: Amounts) -> bool:
        return any(amounts) and (self._is_sum(amounts) or self._is_sum(self.beside))

    def _is_sum(self, amounts: Amounts) -> bool:
        due, listed = amounts
        rounding = ROUNDING * self.parts
        return abs(due - self.due) <= rounding and abs(listed - self.listed) <= rounding


class Allocations:
    """What is divided in a delivery, by the key of the origin."""

    def __init__(self, corrector: Corrector) -> None:
        """`corrector` reads a bad row, by line and cells, as somebody corrected it; None where nobody did."""
        self.corrector = corrector
        self.divided: dict[int, Divided] = {}
        self.resources: dict[int, set[int]] = {}  # keys of parts, by the key without its resource
        self.undivided: dict[int, Amounts] = {}  # rows whose own key has no parts, by that too

    def learn(self, reader: RowReader, chunk: Chunk) -> None:
        """Add the parts of a chunk up, before any row is loaded."""
        for key, alike, method, amounts in self._rows(reader, chunk):
            if method:
                self.divided.setdefault(key, Divided()).add_part(amounts)
                self.resources.setdefault(alike, set()).add(key)

    def weigh(self, reader: RowReader, chunk: Chunk) -> None:
        """Gather, once all parts are known, the rows that they could be of."""
        for key, alike, method, amounts in self._rows(reader, chunk):
            if method or not any(amounts):
                continue
            if key in self.divided:
                self.divided[key].add_other(amounts)
            elif alike in self.resources:
                due, listed = self.undivided.get(alike, (0, 0))
                self.undivided[alike] = due + amounts[0], listed + amounts[1]

    def _rows(self, reader: RowReader, chunk: Chunk) -> Iterator[Row]:
        bad: list[tuple[int, list[str]]] = []
        remember: Callable[[BadRow, int, list[str]], None] = lambda _, line, cells: bad.append((line, cells))  # noqa: E731
        for rows in reader.sift(chunk, remember):
            yield from _weighed(rows)
        for line, cells in bad:
            if corrected := self.corrector(reader, line, cells):
                yield from _weighed(corrected)

    def judge(self, rows: Rows) -> Sequence[Division]:
        """Once all rows are weighed."""
        if not self.divided:
            return [Division.NONE] * len(rows)
        return [
            Division.NONE if method else self._judge(key, alike, amounts)
            for key, alike, method, amounts in _weighed(rows)
        ]

    def _judge(self, key: int, alike: int, amounts: Amounts) -> Division:
        if key in self.divided:
            return self.divided[key].judge(amounts)
        stray = self._strays.get(alike)
        return Division.UNCLEAR if stray and stray.may_be_of(amounts) else Division.NONE

    @cached_property
    def _strays(self) -> dict[int, Divided]:
        """Parts of several resources, none of which has another row, added up as if they were of one origin."""
        strays = {}
        for alike, keys in self.resources.items():
            alone = [self.divided[key] for key in keys if not any(self.divided[key].beside)]
            if len(alone) > 1:
                due, listed, parts = (
                    sum(numbers) for numbers in zip(*((d.due, d.listed, d.parts) for d in alone), strict=True)
                )
                strays[alike] = Divided(due, listed, parts, self.undivided.get(alike, (0, 0)))
        return strays


def has_allocations(header: Header) -> bool:
    return "AllocatedMethodId" in header.positions


def may_be_divided(row: Rows, source: Source) -> bool:
    """Whether charges that are loaded differ from this one row in no column that parts share with their origin."""
    due, listed = next(_amounts(row))
    alike = Charge.objects.current().filter(
        source=source, billing_currency=row.currencies[0], **{field: row.text(field)[0] for field in KEY}
    )
    times = alike.order_by().values_list("charge_period_start", "charge_period_end").distinct()
    is_alike = (row.starts[0], row.ends[0]) in [(instant(start), instant(end)) for start, end in times]
    return is_alike and bool(due or listed)


def _amounts(rows: Rows) -> Iterator[Amounts]:
    return zip(rows.due, (listed or 0 for listed in rows.amount("ListCost")), strict=True)


def _weighed(rows: Rows) -> Iterator[Row]:
    return zip(origin_keys(rows), _keys(rows, BUT_RESOURCE), rows.allocated_by, _amounts(rows), strict=True)


def origin_keys(rows: Rows) -> list[int]:
    """By what a part says of its origin."""
    return _keys(rows, KEY)


def keyed(charges: QuerySet[Charge], of: str = "") -> Iterator[tuple[int, int]]:
    """Charges with the same keys; `of` leads to that of which the key is."""
    of_instant = Memo(instant)
    names = [f"{of}{name}" for name in (*KEY, "billing_currency", "charge_period_start", "charge_period_end")]
    for pk, *told, start, end in charges.order_by("pk").values_list("pk", *names).iterator():
        yield pk, hash((*told, of_instant[start], of_instant[end]))


def _keys(rows: Rows, fields: Sequence[str]) -> list[int]:
    columns = [rows.text(field) for field in fields]
    return list(map(hash, zip(*columns, rows.currencies, rows.starts, rows.ends, strict=True)))
