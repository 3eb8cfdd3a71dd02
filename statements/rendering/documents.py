"""Renders issued statements to PDF, once: what was archived is what every download and mail gives for ever."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from periods import audit, storage
from periods.errors import Refused
from periods.lifecycle import require_permission
from periods.models import BillingPeriod
from periods.progress import Progress
from statements import templating
from statements.issuing import compute
from statements.lines import Books
from statements.models import ArchivedDocument, Statement, StatementLine
from statements.rendering.charges_file import charges_file
from statements.rendering.composing import charges_of, compose

if TYPE_CHECKING:
    from statements.pdf import Written

TEMPLATE = "statements/statement.html"
STYLE = "statements/statement.css"
WORTH_A_PROCESS = 5  # statements take as long as one more process takes to start

Write = Callable[[], "Written"]


@dataclass(frozen=True, slots=True)
class Rendered:
    rendered: int
    unchanged: int
    failed: dict[str, str] = field(default_factory=dict)  # printed number: why, in words
    missing: dict[str, str] = field(default_factory=dict)  # printed number: characters that no font has a glyph for
    waiting: int = 0  # not begun, as the time was up

    def remarks(self) -> list[str]:
        """What did not stop a PDF, but somebody should look at."""
        return [
            f"{number} shows boxes: no font has a glyph for {in_words(missing)}."
            for number, missing in self.missing.items()
        ]


def render_statements(
    period: BillingPeriod,
    *,
    by: Any = None,
    only: QuerySet[Statement] | None = None,
    workers: int | None = None,
    until: float | None = None,
    progress: Progress | None = None,
) -> Rendered:
    """A PDF for every issued statement, of `only` these where given, that has none. One that fails stops no other.

    `workers`: processes at once; without it as many as there are cores, where there is enough for them to do.
    `until`: by the monotonic clock, for whoever waits for an answer: none is begun after it.
    """
    require_permission(by, "statements.render_statement", "render statements")
    current = Statement.objects.filter(period=period).current()
    if only is not None:
        current = current.filter(pk__in=list(only.values_list("pk", flat=True)))  # as it is now: rendering changes it
    waiting = list(current.filter(document=None).order_by("number").values_list("pk", flat=True))
    failed: dict[str, str] = {}
    written = _written(_pages(period, waiting, failed, until), workers or _enough_for(len(waiting)))
    missing: dict[str, str] = {}
    rendered = 0
    try:
        for done, (statement, write) in enumerate(written, start=1):
            try:
                made = write()
                rendered += _archive(statement, made, by=by)
                missing |= {statement.printed_number: made.missing} if made.missing else {}
            except Refused as error:
                failed[statement.printed_number] = str(error)
            if progress:
                progress(done, len(waiting))
    except BrokenProcessPool as error:
        raise Refused("A rendering process was ended from outside, perhaps for lack of memory.") from error
    left = current.filter(document=None).count() - len(failed) if until is not None else 0
    return Rendered(rendered, current.count() - rendered - len(failed) - left, failed, missing, left)


def preview(statement: Statement, lines: Sequence[StatementLine] | None = None) -> bytes:
    """A draft, marked as one and never kept; `lines` for a statement that was never saved."""
    frozen = frozen_lines(statement) if lines is None else lines
    return as_page(statement, frozen, Books(statement.period), is_draft=True)().content


def enclosed(statement: Statement, lines: Sequence[StatementLine], books: Books) -> bytes:
    """The CSV that the PDF carries: it can be had by itself while the month holds what the statement says."""
    return charges_file(statement, lines, charges_of(statement).billable(), books)


def _pages(
    period: BillingPeriod, waiting: Sequence[int], failed: dict[str, str], until: float | None
) -> Iterator[tuple[Statement, Write]]:
    """Each statement with what makes its PDF. The database is read here, never in the processes that make it."""
    issued = {_payer(draft.statement): draft.statement.lines_sha256 for draft in compute(period)} if waiting else {}
    books = Books(period)
    for pk in waiting:
        if until is not None and monotonic() > until:
            return
        statement = Statement.objects.select_related("period").get(pk=pk)
        try:
            _require_current(statement, issued.get(_payer(statement)))
            yield statement, as_page(statement, frozen_lines(statement), books)
        except Refused as refusal:
            failed[statement.printed_number] = str(refusal)


def _require_current(statement: Statement, content: str | None) -> None:
    if content != statement.lines_sha256:
        raise Refused(f"Its charges changed after the issue: run issue_statements {statement.period.month} first.")


def _enough_for(statements: int) -> int:
    """One process for each core, but not so many that they start longer than they work."""
    return max(1, min(os.cpu_count() or 1, statements // WORTH_A_PROCESS))


def _written(pages: Iterator[tuple[Statement, Write]], workers: int) -> Iterator[tuple[Statement, Write]]:
    """The same, made by a pool that is kept a little ahead of whoever takes the PDFs."""
    if workers < 2:  # noqa: PLR2004
        yield from pages
        return
    fresh = get_context("spawn")  # a forked process would share the database connection
    with ProcessPoolExecutor(workers, fresh) as pool:
        ahead: deque[tuple[Statement, Write]] = deque()
        for statement, write in pages:
            ahead.append((statement, pool.submit(write).result))
            if len(ahead) > 2 * workers:
                yield ahead.popleft()
        yield from ahead


def as_page(
    statement: Statement, lines: Sequence[StatementLine], books: Books, *, is_draft: bool = False
) -> "partial[Written]":
    """What makes the PDF, and may do so in another process: its HTML, style, folders and enclosures."""
    from statements import pdf  # noqa: PLC0415 - WeasyPrint takes a second that commands without a PDF need not wait

    context = compose(statement, lines, is_draft=is_draft)
    values = {name: getattr(context, name) for name in (*context.__dataclass_fields__, "discount")}
    html = templating.render(TEMPLATE, autoescape=True, **values)
    css = templating.render(STYLE, autoescape=False, **values)
    charges = pdf.Enclosure(
        name=context.charges_file,
        content=enclosed(statement, lines, books),
        description="Every charge with its exact amounts",
        date=statement.issued_at or timezone.now(),
    )
    return partial(pdf.write, html, css, templating.folders(), [charges])


@transaction.atomic
def _archive(statement: Statement, made: "Written", *, by: Any) -> bool:
    """Keep the PDF, unless another run was faster or the statement was superseded meanwhile."""
    period = BillingPeriod.objects.lock_unsealed(statement.period_id)
    if not Statement.objects.current().filter(pk=statement.pk, document=None).exists():
        return False
    kept = storage.keep([made.content], folder="statements", suffix=".pdf")
    ArchivedDocument.objects.create(
        period=period,
        kind=ArchivedDocument.Kind.STATEMENT,
        statement=statement,
        template=TEMPLATE,
        path=kept.path,
        sha256=kept.sha256,
        size=kept.size,
    )
    audit.record(by=by, action="render", subject=statement, period=period, after=_told(kept.sha256, made.missing))
    return True


def _told(sha256: str, missing: str) -> dict[str, str]:
    return {"sha256": sha256} | ({"no glyph for": in_words(missing)} if missing else {})


def in_words(characters: str) -> str:
    """`ᚠ (U+16A0)` of each: what is shown as a box here may be shown as one there."""
    return ", ".join(f"{character} (U+{ord(character):04X})" for character in characters)


def frozen_lines(statement: Statement) -> list[StatementLine]:
    return list(statement.lines.select_related("source", "funding_account", "adjustment"))


def _payer(statement: Statement) -> tuple[int, int]:
    return statement.pi_id, statement.project_id
