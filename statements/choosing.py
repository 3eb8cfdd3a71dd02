"""A PI or delegate lets another account of their project bear a line, where the institution allows it."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone

from charges import review
from charges.models import Adjustment, Charge, Dispute, FundingAccount, FundingShare, Project
from charges.models.charge import ChargeQuerySet
from periods.calendar import institution_day, last_day_before
from periods.errors import Refused
from periods.models import BillingPeriod
from statements.issuing import says_what_is_now
from statements.models import Journal, Statement, StatementLine
from statements.tracing import charges_of

WHOLE = 100  # percent


def may_choose(lines: Sequence[StatementLine]) -> bool:
    """Whether to offer it; the stage knows the whole rule. `lines` are of one source, service and fund."""
    try:
        _require_choice(lines)
    except Refused:
        return False
    return True


def accounts_for(lines: Sequence[StatementLine]) -> list[FundingAccount]:
    """The project's known accounts that were valid on the days of the line's charges, but for the one that bears it.

    Known are its default and fallback fund, those of its splits, and those that its statements for this PI charged.
    """
    line = lines[0]
    statement, project = line.statement, line.statement.project
    splits = project.splits.all()
    charged = StatementLine.objects.filter(statement__project=project, statement__pi=statement.pi)
    known: set[Any] = {
        project.default_fund_id,
        project.fallback_fund_id,
        *splits.values_list("remainder_account", flat=True),
        *FundingShare.objects.filter(split__in=splits).values_list("funding_account", flat=True),
        *charged.exclude(statement__state=Statement.State.VOID).values_list("funding_account", flat=True).distinct(),
    } - {None, line.funding_account_id}
    days = _days(charges_of(lines))
    found = FundingAccount.objects.filter(pk__in=known, merged_into=None)
    return [fund for fund in found if not any(_limit(project, fund, day) for day in days)]


@transaction.atomic
def choose_account(lines: Sequence[StatementLine], *, fund: FundingAccount, reason: str, by: Any) -> int:
    """Let `fund` bear the charges of the line: how many. The caller has checked that `by` may see the statement.

    The statement is out of date until it is issued again, and no other is touched. Raises Refused.
    """
    BillingPeriod.objects.lock_unsealed(lines[0].statement.period_id)
    _require_choice(lines)
    if fund not in accounts_for(lines):
        raise Refused(f"{fund} is no account of the project that was valid on these days.")
    charges = charges_of(lines)
    _require_alone(lines[0], charges)
    return review.choose_fund(charges, funding_account=fund, reason=reason, by=by)


def _require_choice(lines: Sequence[StatementLine]) -> None:
    line, statement = lines[0], Statement.objects.select_related("period").get(pk=lines[0].statement_id)
    if not settings.PAYERS_CHOOSE_ACCOUNT:
        raise Refused("The accounts are chosen by the billing office.")
    if statement.period.state == BillingPeriod.State.FINALIZED:
        raise Refused(f"{statement.period} is finalized: nothing in it changes any more.")
    if statement.dispute_until and timezone.localdate() > statement.dispute_until:
        raise Refused(f"Accounts could be chosen until {statement.dispute_until}.")
    if line.kind != StatementLine.Kind.CHARGES or line.description or line.percent != WHOLE:
        raise Refused("Only a line of charges of the month that one account bears can go to another one.")
    if statement.state != Statement.State.ISSUED or not says_what_is_now(statement):
        raise Refused("The statement is being revised: wait for its next revision.")
    if Journal.objects.filter(period=statement.period, state=Journal.State.EXPORTED).exists():
        raise Refused("Finance is posting this month: try again once that is done.")


def _require_alone(line: StatementLine, charges: ChargeQuerySet) -> None:
    """What was adjusted or is objected to would stay behind on the other account."""
    statement = line.statement
    payer = {"period": statement.period_id, "pi": statement.pi_id, "project": statement.project_id}
    adjusted = Adjustment.objects.filter(charge__in=charges, withdrawn_at=None)
    disputes = Dispute.objects.filter(**payer, state__in=[Dispute.State.OPEN, Dispute.State.UPHELD])
    of_line = disputes.filter(charge=None, source=line.source_id, service_name=line.service_name)
    if adjusted.exists() or of_line.exists() or disputes.filter(charge__in=charges).exists():
        raise Refused("The line has adjustments or is in dispute: ask the billing office to move it.")
    if charges.filter(fund_step=Charge.FundStep.BEARER).exists():
        raise Refused("A refund on the line belongs to the account that bore the charge: ask the billing office.")


def _days(charges: ChargeQuerySet) -> list[date]:
    """The first and the last; an account that is valid on both is valid between."""
    found = charges.aggregate(
        first=Min("charge_period_start"), last=Max("charge_period_start"), end=Max("charge_period_end")
    )
    days = [institution_day(found[name]) for name in ("first", "last") if found[name]]
    return [*days, last_day_before(found["end"])] if days and found["end"] else days


def _limit(project: Project, fund: FundingAccount, day: date) -> date | None:
    """As for any charge: the fallback fund outlives the project."""
    last = project.end_date
    if last and day > last and fund.pk != project.fallback_fund_id:
        return last
    return fund.limit_on(day)
