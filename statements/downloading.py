"""The archived PDFs of many statements as one zip file, made while it is sent: never more than one PDF in memory."""

import io
from collections.abc import Iterator, Sequence
from zipfile import ZipFile, ZipInfo

from django.db.models import QuerySet
from django.utils import timezone

from periods.blockers import counted
from periods.errors import Refused
from statements.models import Statement

MOST = 2_000  # all are checked before the first byte: a second for so many


def zipped(statements: QuerySet[Statement]) -> Iterator[bytes]:
    """Raises Refused, before the first byte, where they are too many, or a PDF is missing or not what was archived."""
    ordered = statements.select_related("document", "period").order_by("period__month", "number", "revision")
    chosen = list(ordered[: MOST + 1])
    if len(chosen) > MOST:
        raise Refused(f"A download takes {MOST:,} statements at most: choose fewer, one month for instance.")
    _require_pdfs(chosen)
    return _parts(chosen)


def zip_name(statements: QuerySet[Statement]) -> str:
    months = list(statements.order_by("period__month").values_list("period__month", flat=True).distinct())
    return "-".join(["statements", *dict.fromkeys([*months[:1], *months[-1:]])]) + ".zip"


def _require_pdfs(statements: Sequence[Statement]) -> None:
    missing = [statement for statement in statements if not hasattr(statement, "document")]
    if missing:
        have = counted(len(missing), "statement has", "statements have")
        raise Refused(f"{have} no PDF, {missing[0]} first: render them, or leave them out.")
    for statement in statements:
        statement.document.read()


def _parts(statements: Sequence[Statement]) -> Iterator[bytes]:
    """PDFs are compressed already: they are stored as they are."""
    written = _Written()
    with ZipFile(written, "w") as file:
        for statement in statements:
            file.writestr(_entry(statement), statement.document.read())
            yield written.take()
    yield written.take()


def _entry(statement: Statement) -> ZipInfo:
    created = timezone.localtime(statement.document.created_at)
    entry = ZipInfo(f"{statement.period.month}/{statement.file_name}", created.timetuple()[:6])
    entry.external_attr = 0o644 << 16  # else nobody may read it where it is unpacked
    return entry


class _Written(io.RawIOBase):
    """What `ZipFile` has written since it was last asked."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, chunk: bytes) -> int:  # type: ignore[override]
        self._chunks.append(bytes(chunk))
        return len(chunk)

    def take(self) -> bytes:
        taken, self._chunks = b"".join(self._chunks), []
        return taken
