"""Text that a spreadsheet shows as it is, and never computes."""

import csv
import io
from collections.abc import Iterable, Sequence

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe(text: str) -> str:
    """No spreadsheet takes it for a formula; a negative amount is none."""
    is_amount = text.lstrip("-").replace(".", "", 1).isdecimal()
    return f"'{text}" if text.startswith(FORMULA) and not is_amount else text


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue()
