"""What disputes took off whole lines, or off charges that were replaced: no charge says which part of it is its own."""

from collections.abc import Iterator
from decimal import Decimal

from django.db.models import Q

from charges.adjusting.apportioning import apportion
from charges.disputing.at_stake import line_of, of_line
from charges.models import Adjustment, Charge
from charges.models.charge import ChargeQuerySet
from periods.models import BillingPeriod


def off_lines(period: BillingPeriod) -> Iterator[Adjustment]:
    """Those that stand or await approval, and name no charge."""
    standing = Adjustment.objects.filter(period=period, charge=None, withdrawn_at=None, dispute__isnull=False)
    related = ("period", "dispute__pi", "dispute__project", "dispute__source", "dispute__charge__source")
    yield from standing.select_related(*related).order_by("pk")


def charges_of(adjustment: Adjustment) -> ChargeQuerySet:
    """The billable charges of the line that it was taken off."""
    assert adjustment.dispute is not None
    line = line_of(adjustment.dispute)
    of_fund = Q(funding_account=adjustment.funding_account_id) | Q(fund_step=Charge.FundStep.SPLIT)
    if adjustment.funding_account_id is None:  # nothing was due, of whatever fund
        of_fund = Q()
    of_line = {name: getattr(line, name) for name in ("pi", "project", "source", "service_name", "late_month")}
    return Charge.objects.billable().filter(of_fund, period=adjustment.period, **of_line).order_by("pk")


def is_beyond(adjustment: Adjustment) -> bool:
    """Whether the line bills less by now than what was taken off: its charges were excluded or moved since."""
    assert adjustment.dispute is not None
    return of_line(line_of(adjustment.dispute)).due * adjustment.due_amount > 0


def shares(adjustment: Adjustment, name: str, unit: Decimal) -> dict[int, Decimal]:
    """By charge, in proportion to its amount of that name, in whole units: `list_amount` or `due_amount`."""
    rows = list(charges_of(adjustment).values_list("pk", name))
    parts = apportion(-getattr(adjustment, name), [amount for _, amount in rows], unit)
    return {pk: -part for (pk, _), part in zip(rows, parts, strict=True)}
