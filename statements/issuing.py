"""Issues statements: numbered without gaps, frozen, and revised where the month's lines changed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, cast

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from charges.models import PrincipalInvestigator, Project
from charges.money import total
from periods.errors import Refused
from periods.lifecycle import require_permission, run_transition
from periods.models import BillingPeriod
from statements.lines import Payer, PayerLines, lines_by_payer
from statements.models import Seal, Statement, StatementCounter, StatementLine


@dataclass(frozen=True, slots=True)
class Issued:
    issued: int
    revised: int
    unchanged: int
    void: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement as it would be issued now: unsaved and without a number."""

    statement: Statement
    lines: list[StatementLine]


@dataclass(frozen=True, slots=True)
class Figures:
    list: Decimal
    discount: Decimal
    due: Decimal


@transaction.atomic
def issue_statements(period: BillingPeriod, *, by: Any = None) -> Issued:
    """One statement per PI and project; a changed one supersedes its earlier revision, an emptied one is void."""
    require_permission(by, "statements.issue_statement", "issue statements")
    locked = BillingPeriod.objects.lock_unsealed(period.pk)
    if locked.state != BillingPeriod.State.CLOSED:
        raise Refused(f"{locked} is open: close it before its statements are issued.")
    counter = _lock_counter()
    done = Counter(_apply(draft, latest, counter, by=by) for draft, latest in _compare(locked))
    counter.save(update_fields=["last_number"])
    return Issued(done["issued"], done["revised"], done["unchanged"], done["void"])


def compute(period: BillingPeriod) -> Iterator[Draft]:
    """What statements would be issued now, also while the month is open."""
    pis, projects = PrincipalInvestigator.objects.in_bulk(), Project.objects.in_bulk()
    head = Seal.objects.values_list("head", flat=True).first() or ""
    for found in lines_by_payer(period):
        statement = _draft(period, pis[found.payer.pi], projects[found.payer.project], found)
        statement.seal_head = head
        yield Draft(statement, found.lines)


def figures(period: BillingPeriod) -> Figures:
    """List, discount and due that statements carry; computed live until the month is finalized."""
    if period.state == BillingPeriod.State.FINALIZED:
        statements = list(Statement.objects.filter(period=period).current())
    else:
        statements = [draft.statement for draft in compute(period)]
    list_amount = total([statement.list_amount for statement in statements])
    due = total([statement.due_amount for statement in statements])
    return Figures(list=list_amount, discount=due - list_amount, due=due)


def stale_statements(period: BillingPeriod) -> list[str]:
    """Whose statement is missing, out of date, or to be voided: PI and project, in words. Empty when all are right."""
    return [whose for _, whose in stale_payers(period)]


def stale_payers(period: BillingPeriod) -> list[tuple[int, str]]:
    """The same, each after the id of its PI."""
    if period.state == BillingPeriod.State.FINALIZED:
        return []
    changed = ((draft, latest) for draft, latest in _compare(period) if not _is_current(draft, latest))
    return [(_shown(draft, latest).pi_id, _whose(draft, latest)) for draft, latest in changed]


def says_what_is_now(statement: Statement) -> bool:
    """Whether the month still holds what the statement says: if not, its charges are not those it sums."""
    if statement.period.state == BillingPeriod.State.FINALIZED:
        return True
    found = lines_by_payer(statement.period, pi=statement.pi_id, project=statement.project_id)
    return [payer.sha256 for payer in found] == [statement.lines_sha256]


def outdated(period: BillingPeriod, statements: Sequence[Statement]) -> set[Statement]:
    """Those of the month's that no longer say what is; for many at once."""
    if period.state == BillingPeriod.State.FINALIZED:
        return set()
    whose = {"pi": statements[0].pi_id, "project": statements[0].project_id} if len(statements) == 1 else {}
    now = {found.payer: found.sha256 for found in lines_by_payer(period, **whose)}
    return {found for found in statements if now.get(Payer(found.pi_id, found.project_id)) != found.lines_sha256}


def _draft(period: BillingPeriod, pi: PrincipalInvestigator, project: Project, found: PayerLines) -> Statement:
    lines = found.lines
    return Statement(
        period=period,
        pi=pi,
        project=project,
        currency=period.currency,
        pi_name=str(pi),
        pi_email=pi.email,
        project_code=project.code,
        project_name=project.name,
        department=project.department or pi.department,
        list_amount=total([line.list_amount for line in lines]),
        provider_discount=total([line.provider_discount for line in lines]),
        subsidy=total([line.subsidy for line in lines]),
        adjustments=total([line.adjustments for line in lines]),
        due_amount=total([line.due_amount for line in lines]),
        lines_sha256=found.sha256,
    )


def _compare(period: BillingPeriod) -> Iterator[tuple[Draft | None, Statement | None]]:
    """Each statement as it would be now, beside its latest revision; then those that nothing is left of."""
    revisions = Statement.objects.filter(period=period).order_by("revision")
    latest = {(statement.pi_id, statement.project_id): statement for statement in revisions}
    for draft in compute(period):
        yield draft, latest.pop((draft.statement.pi_id, draft.statement.project_id), None)
    for statement in latest.values():
        if statement.state == Statement.State.ISSUED:
            yield None, statement


def _is_current(draft: Draft | None, latest: Statement | None) -> bool:
    return (
        draft is not None
        and latest is not None
        and latest.state == Statement.State.ISSUED
        and latest.lines_sha256 == draft.statement.lines_sha256
    )


def _apply(draft: Draft | None, latest: Statement | None, counter: StatementCounter, *, by: Any) -> str:
    if _is_current(draft, latest):
        return "unchanged"
    if draft is None:
        run_transition(latest, "void", by=by)  # type: ignore[type-var]
        return "void"
    draft.statement.dispute_until = _dispute_until(draft, latest)
    if latest is None:
        counter.last_number += 1
        draft.statement.number = counter.last_number
    else:
        draft.statement.number, draft.statement.revision = latest.number, latest.revision + 1
        if latest.state == Statement.State.ISSUED:
            run_transition(latest, "supersede", by=by)
    _save(draft)
    run_transition(draft.statement, "issue", by=by)
    return "revised" if latest else "issued"


def _save(draft: Draft) -> None:
    if any(line.due_amount and not line.funding_account for line in draft.lines):
        raise Refused(
            f"{_whose(draft, None)}: the funding split of the project does not cover this month. "
            "Extend it, or say who pays for the charges."
        )
    draft.statement.save()
    for line in draft.lines:
        line.statement = draft.statement
    StatementLine.objects.bulk_create(draft.lines, batch_size=500)


def _dispute_until(draft: Draft, latest: Statement | None) -> date | None:
    """A reissue restarts the window only where the amount due changed."""
    if latest and latest.state == Statement.State.ISSUED and latest.due_amount == draft.statement.due_amount:
        return latest.dispute_until
    return timezone.localdate() + timedelta(days=settings.DISPUTE_DAYS) if settings.DISPUTE_DAYS else None


def _lock_counter() -> StatementCounter:
    """After the month's row, never before it: all issues take their locks in the same order."""
    StatementCounter.objects.get_or_create(pk=1)
    return StatementCounter.objects.select_for_update().get(pk=1)


def _whose(draft: Draft | None, latest: Statement | None) -> str:
    statement = _shown(draft, latest)
    return f"{statement.pi_name}, {statement.project_code}"


def _shown(draft: Draft | None, latest: Statement | None) -> Statement:
    return draft.statement if draft else cast("Statement", latest)
