"""The steps of the month's end, each a button on the month's page over one stage function."""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget

from periods.blockers import counted
from periods.lifecycle import close_period, reopen_period
from periods.models import BillingPeriod
from periods.transition_admin import ReasonForm, Step, text_field
from statements.archiving import finalize_period
from statements.emailing import Emailed, email_statements
from statements.issuing import issue_statements
from statements.journaling import acknowledge_journal, export_journal, templates
from statements.rendering import Rendered, render_statements

OPEN, CLOSED = BillingPeriod.State.OPEN, BillingPeriod.State.CLOSED
TOLD = 10
PATIENCE = 30  # seconds that a page goes on beginning PDFs or messages: proxies commonly end a request after sixty


class TemplateForm(forms.Form):
    template = forms.ChoiceField(
        choices=lambda: [(name, name) for name in templates()], initial="generic", widget=UnfoldAdminSelectWidget()
    )


class ReferenceForm(forms.Form):
    reference = text_field("Finance's reference", "The number under which finance posted the journal.")


def _close(period: BillingPeriod, **answers: Any) -> str:
    return f"{close_period(period, **answers)} is closed: no more imports. Issue its statements next."


def _reopen(period: BillingPeriod, **answers: Any) -> str:
    return f"{reopen_period(period, **answers)} is open again and takes imports."


def _issue(period: BillingPeriod, **answers: Any) -> str:
    done = issue_statements(period, **answers)
    return f"{done.issued} statements issued, {done.revised} revised, {done.unchanged} unchanged, {done.void} void."


def _render(period: BillingPeriod, **answers: Any) -> str:
    return rendered_in_words(render_statements(period, until=monotonic() + PATIENCE, **answers))


def rendered_in_words(done: Rendered) -> str:
    failed = [f"{number} failed: {why}" for number, why in done.failed.items()]
    said = f"{counted(done.rendered, 'PDF', 'PDFs')} rendered, {done.unchanged} there already."
    left = [f"{done.waiting:,} are left: do it again for them, or let render_statements make them."]
    return " ".join([said, *(left if done.waiting else []), *_first(failed), *_first(done.remarks())])


def _email(period: BillingPeriod, **answers: Any) -> str:
    return emailed_in_words(email_statements(period, until=monotonic() + PATIENCE, **answers))


def emailed_in_words(done: Emailed, *, what: str = "Messages") -> str:
    counts = {
        "sent": done.sent,
        "sent before": done.skipped,
        "waiting": done.waiting,
        "failed": done.failed,
        "unclear": done.unclear,
        "bounced": done.bounced,
    }
    said = ", ".join(f"{number} {became}" for became, number in counts.items() if number or became == "sent")
    return " ".join([f"{what}: {said}.", *_first(done.problems)])


def _first(sentences: Sequence[str]) -> list[str]:
    """A page has room for a few."""
    more = len(sentences) - TOLD
    return [*sentences[:TOLD], *([f"And {more:,} more."] if more > 0 else [])]


def _export(period: BillingPeriod, **answers: Any) -> str:
    journal = export_journal(period, **answers).journal
    return (
        f"{journal} is exported: download it under Journals." if journal else "No journal is needed: nothing to post."
    )


def _acknowledge(period: BillingPeriod, **answers: Any) -> str:
    journal = acknowledge_journal(period, **answers)
    return f"{journal} is acknowledged." if journal else "No journal is needed: nothing to post."


def _finalize(period: BillingPeriod, **answers: Any) -> str:
    return f"{period} is finalized. The head of the chain of seals is {finalize_period(period, **answers).head}."


def step(label: str, run: Callable[..., str], permission: str, state: str, explanation: str, **kwargs: Any) -> Step:
    return Step(label=label, run=run, permission=permission, states=(state,), explanation=explanation, **kwargs)


STEPS: dict[str, Step] = {
    "close": step(
        "Close the month", _close, "periods.close_billingperiod", OPEN,
        "No more imports after this. Review, adjustments and disputes go on; statements can be issued.",
        icon="lock",
    ),
    "issue": step(
        "Issue statements", _issue, "statements.issue_statement", CLOSED,
        "One statement for each PI and project. What changed since the last issue becomes a new revision.",
        icon="description",
    ),
    "render": step(
        "Render PDFs", _render, "statements.render_statement", CLOSED,
        f"Makes and archives PDFs of statements that have none, for {PATIENCE} seconds at most: some hundred. "
        "Press it again for the rest, or let the command render_statements make them.",
        icon="picture_as_pdf",
    ),
    "email": step(
        "E-mail statements", _email, "statements.email_statement", CLOSED,
        "One message for each PI with all of their statements. Nobody gets the same statements twice. "
        f"A page sends for {PATIENCE} seconds at most; the rest waits for the button or the command email_statements.",
        icon="mail",
    ),
    "export": step(
        "Export journal", _export, "statements.export_journal", CLOSED,
        "Books what the statements ask for and earlier journals do not hold yet; debits equal credits.",
        form=TemplateForm, icon="account_balance",
    ),
    "acknowledge": step(
        "Acknowledge journal", _acknowledge, "statements.acknowledge_journal", CLOSED,
        "Finance has posted the exported journal.",
        form=ReferenceForm, icon="task_alt",
    ),
    "finalize": step(
        "Finalize the month", _finalize, "periods.finalize_billingperiod", CLOSED,
        "Seals the month: nothing in it can change afterwards, ever. Later corrections go into an open month.",
        icon="verified",
    ),
    "reopen": step(
        "Reopen the month", _reopen, "periods.reopen_billingperiod", CLOSED,
        "The month takes imports again. Issued statements stay, and are revised where their charges change.",
        form=ReasonForm, icon="lock_open",
    ),
}  # fmt: skip
