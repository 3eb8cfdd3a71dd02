"""What staff do with one statement or hundreds: render, send, send again as a copy, download. Each month by itself."""

from collections.abc import Callable
from time import monotonic
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, StreamingHttpResponse
from unfold.widgets import UnfoldAdminEmailInputWidget

from charges.money import printed
from periods.blockers import counted
from periods.errors import NotPermitted, Refused
from periods.models import BillingPeriod
from periods.transition_admin import Step
from statements.admin.steps import PATIENCE, emailed_in_words, rendered_in_words
from statements.downloading import MOST, zip_name, zipped
from statements.emailing import email_statements, send_copies
from statements.models import Statement, unmailed
from statements.rendering import render_statements

Rows = QuerySet[Statement]
NAMED = 5


class CopyForm(forms.Form):
    to = forms.EmailField(
        label="Address", required=False, widget=UnfoldAdminEmailInputWidget(), help_text="Empty: to the PI."
    )


def render(rows: Rows, *, by: Any) -> str:
    chosen, until = _as_chosen(rows), monotonic() + PATIENCE
    return _each_month(
        rows, lambda period: rendered_in_words(render_statements(period, by=by, only=chosen, until=until))
    )


def email(rows: Rows, *, by: Any) -> str:
    chosen = _as_chosen(rows)
    until = monotonic() + PATIENCE
    return _each_month(rows, lambda period: emailed_in_words(email_statements(period, by=by, only=chosen, until=until)))


def copy(rows: Rows, *, by: Any, to: str) -> str:
    return emailed_in_words(send_copies(rows, to=to, by=by, until=monotonic() + PATIENCE), what="Copies")


def _as_chosen(rows: Rows) -> Rows:
    """The same ones throughout, though what is done with them takes them out of a filter."""
    return Statement.objects.filter(pk__in=list(rows.values_list("pk", flat=True)))


def _each_month(rows: Rows, stage: Callable[[BillingPeriod], str]) -> str:
    """What was done, and what was refused. Raises Refused where nothing was done."""
    done, refused = [], []
    for period in list(BillingPeriod.objects.filter(pk__in=rows.order_by().values("period")).order_by("month")):
        try:
            done.append(f"{period}: {stage(period)}")
        except NotPermitted:
            raise
        except Refused as refusal:
            refused.append(str(refusal))
    if not done:
        raise Refused(" ".join(refused))
    return " ".join(done + refused)


def _of_one(run: Callable[..., str]) -> Callable[..., str]:
    return lambda statement, **answers: run(Statement.objects.filter(pk=statement.pk), **answers)


def _has_pdf(statement: Statement) -> bool:
    return hasattr(statement, "document")


def _is_unsent(statement: Statement) -> bool:
    return _has_pdf(statement) and unmailed(Statement.objects.filter(pk=statement.pk)).exists()


BULK: dict[str, Callable[..., str]] = {"render": render, "email": email, "copy": copy}
STEPS: dict[str, Step] = {
    "render": Step(
        label="Render PDF", run=_of_one(render), permission="statements.render_statement",
        explanation="Makes and archives PDFs of those that are issued and have none, "
        f"for {PATIENCE} seconds at most: some hundred. Choose the rest again, or let render_statements make them.",
        states=(Statement.State.ISSUED,), icon="picture_as_pdf", is_offered=lambda statement: not _has_pdf(statement),
    ),
    "email": Step(
        label="E-mail", run=_of_one(email), permission="statements.email_statement",
        explanation="One message for each PI, with all of their statements of the month. "
        f"Nobody gets the same statements twice. A page sends for {PATIENCE} seconds at most; the rest stays queued.",
        states=(Statement.State.ISSUED,), icon="mail", is_offered=_is_unsent,
    ),
    "copy": Step(
        label="Send a copy", run=_of_one(copy), permission="statements.copy_emaildelivery",
        explanation="Mails what was chosen again, marked as a copy, now: one message for each PI. "
        "Whoever gets it sees what the PI sees.",
        states=(Statement.State.ISSUED,), form=CopyForm, icon="forward_to_inbox", is_offered=_has_pdf,
    ),
}  # fmt: skip
LABELS = {"render": "Render PDFs", "email": "E-mail to PIs", "copy": "Send again, as a copy"}


def summary(rows: Rows) -> list[tuple[str, str]]:
    """What was chosen, before anything is done with it."""
    issued = rows.filter(state=Statement.State.ISSUED)
    sums = issued.order_by("currency").values("currency").annotate(due=Sum("due_amount"))
    names = [str(statement) for statement in issued.order_by("number")[: NAMED + 1]]
    others = rows.exclude(state=Statement.State.ISSUED).count()
    facts = [
        ("Statements", ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")),
        ("PIs", f"{issued.order_by().values('pi').distinct().count():,}"),
        ("Amount due", ", ".join(printed(row["due"], row["currency"]) for row in sums)),
    ]
    left_out = counted(others, "is superseded or void", "are superseded or void")
    return [(heading, text or "—") for heading, text in facts] + ([("Left out", left_out)] if others else [])


def download(model_admin: Any, request: HttpRequest, queryset: Rows) -> StreamingHttpResponse | None:
    try:
        parts = zipped(queryset)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return None
    headers = {"Content-Disposition": f'attachment; filename="{zip_name(queryset)}"'}
    return StreamingHttpResponse(parts, content_type="application/zip", headers=headers)


download.short_description = f"Download as zip (at most {MOST:,})"  # type: ignore[attr-defined]
download.allowed_permissions = ("render",)  # type: ignore[attr-defined]
