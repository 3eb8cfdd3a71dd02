"""Charges that the provider has divided: the parts count, and the charge they came from does not.

FOCUS 1.3, "split cost allocation": a row with AllocatedMethodId is a part; the other columns are those of its
origin, and the amounts of all parts add up to the origin's. Only the origin's own row has no AllocatedMethodId.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from charges.focus import Header
from charges.importing.reading import Chunk
from charges.importing.rows import RowReader, Rows

KEY = (
    "billing_account_id",
    "sub_account_id",
    "resource_id",
    "sku_id",
    "charge_category",
    "charge_description",
    "service_name",
)


class Allocations:
    """What is allocated in a delivery, by the key of the origin: due in billionths."""

    def __init__(self) -> None:
        self.due: defaultdict[int, int] = defaultdict(int)

    def learn(self, reader: RowReader, chunk: Chunk) -> None:
        """Look for parts in a chunk, before any of its rows is loaded."""
        ignore: Callable[..., Any] = lambda *_bad: None  # noqa: E731
        for rows in reader.sift(chunk, ignore):
            for key, method, due in zip(_keys(rows), rows.allocated_by, rows.due, strict=True):
                if method:
                    self.due[key] += due

    def origins(self, rows: Rows) -> Sequence[bool]:
        """Which of the rows are allocated to others, to the last digit."""
        if not self.due:
            return [False] * len(rows)
        return [
            not method and bool(due) and self.due.get(key) == due
            for key, method, due in zip(_keys(rows), rows.allocated_by, rows.due, strict=True)
        ]


def has_allocations(header: Header) -> bool:
    return "AllocatedMethodId" in header.positions


def _keys(rows: Rows) -> list[int]:
    columns = [rows.text(field) for field in KEY]
    return list(map(hash, zip(*columns, rows.currencies, rows.starts, rows.ends, strict=True)))
