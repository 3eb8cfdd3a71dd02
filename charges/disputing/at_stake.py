"""What a dispute is about in money: what a charge or line comes to now, after what was corrected before."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Q, Sum

from charges.correcting.reversing import reversed_among
from charges.ledger import of_campaigns
from charges.models import (
    Adjustment,
    Charge,
    Dispute,
    FundingAccount,
    FundingSplit,
    PrincipalInvestigator,
    Project,
    Source,
)
from charges.models.charge import ChargeQuerySet
from charges.money import HUNDRED, ZERO, divide, round_to_currency, total
from periods.models import BillingPeriod


class Amounts(NamedTuple):
    list: Decimal
    due: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """The lines of a statement that say one service of one source; without a fund, those of all its funds."""

    period: BillingPeriod
    pi: PrincipalInvestigator
    project: Project
    source: Source
    service_name: str
    fund: FundingAccount | None = None
    late_month: str = ""

    @property
    def month(self) -> str:
        """Whose split divides it."""
        return self.late_month or self.period.month


def at_stake(dispute: Dispute) -> Amounts:
    """What can still be taken off. A month may have changed since the dispute was opened."""
    return of_charge(dispute) if dispute.charge else _of(line_of(dispute), _unreversed)


def line_of(dispute: Dispute) -> Line:
    """Of a disputed charge, the lines that it is summed on."""
    of = dispute.charge or dispute
    source = of.source
    if source is None:
        raise ValueError(f"{dispute} names neither charge nor line")
    late_month = dispute.charge.late_month if dispute.charge else ""
    fund = None if dispute.charge else dispute.funding_account
    return Line(dispute.period, dispute.pi, dispute.project, source, of.service_name, fund, late_month)


def of_line(line: Line) -> Amounts:
    """As the statement's lines say it, with the corrections of these lines."""
    return _of(line, _billable)


def _of(line: Line, charges: Callable[[Line], ChargeQuerySet]) -> Amounts:
    return _sum([*_rounded(charges(line), line), *_corrections(_adjusted(line), line.period.currency)])


def of_charge(dispute: Dispute) -> Amounts:
    """At most what its line leaves: an upheld dispute of the line has taken off a part of the charge already."""
    charge, line = dispute.charge, line_of(dispute)
    if charge is None or not _is_theirs(charge, dispute):
        return Amounts(ZERO, ZERO)
    currency = dispute.period.currency
    own = Amounts(*(round_to_currency(amount, currency) for amount in (charge.list_amount, charge.due_amount)))
    left = _sum([own, *_corrections(_adjusted(line, charge), currency)])
    alike = Q(due_amount__lt=0) if charge.due_amount < 0 else Q(due_amount__gte=0)  # a refund beside it limits nothing
    limit = _sum([*_rounded(_unreversed(line).filter(alike), line), *_corrections(_adjusted(line), currency)])
    return Amounts(*(_within(amount, most) for amount, most in zip(left, limit, strict=True)))


def shares(dispute: Dispute, amounts: Amounts) -> list[tuple[FundingAccount | None, Amounts]]:
    """The amounts by the funds that bear them: one, unless a split pays for the charge."""
    charge = dispute.charge
    if charge is None or charge.fund_step != Charge.FundStep.SPLIT:
        return [(dispute.funding_account or (charge.funding_account if charge else None), amounts)]
    return [(fund, Amounts(*part)) for fund, part in _divided(line_of(dispute), amounts) if any(part)]


def account_code(dispute: Dispute) -> str:
    """The tag's, so that the journal takes it off where it was put; none where the charges of a line differ."""
    if dispute.charge:
        return dispute.charge.account_code
    codes = _billable(line_of(dispute)).order_by().values_list("account_code", flat=True).distinct()
    return codes[0] if len(codes) == 1 else ""


def _is_theirs(charge: Charge, dispute: Dispute) -> bool:
    """Billed to them and not given back, or replaced by a later delivery: what that one bills is the limit then."""
    if (charge.pi_id, charge.project_id) != (dispute.pi_id, dispute.project_id) or reversed_among([charge.pk]):
        return False
    return charge.is_superseded or Charge.objects.billable().filter(pk=charge.pk).exists()


def _billable(line: Line) -> ChargeQuerySet:
    charges = Charge.objects.filter(period=line.period, pi=line.pi, project=line.project)
    of_service = charges.filter(source=line.source, service_name=line.service_name, late_month=line.late_month)
    return of_service.billable()


def _unreversed(line: Line) -> ChargeQuerySet:
    """What a late file took back is at stake no more, in whatever month it was given back."""
    return _billable(line).exclude(pk__in=list(reversed_among(_billable(line))))


def _rounded(charges: ChargeQuerySet, line: Line) -> Iterable[Amounts]:
    """Summed and rounded as statement lines are: by account code, funder and fund, a split only then divided."""
    sums: dict[tuple[Any, ...], list[Amounts]] = defaultdict(list)
    group = ("account_code", "funder", "fund_step", "funding_account", "funding_account__account_code")
    found = charges.values_list(*group).annotate(list_sum=Sum("list_amount"), due_sum=Sum("due_amount"))
    for code, funder, step, fund, code_of_fund, *amounts in found.order_by():
        if step == Charge.FundStep.SPLIT:
            sums[code, funder, None, True].append(Amounts(*amounts))
        else:
            code_of_source = line.source.account_code or settings.DEFAULT_ACCOUNT_CODE
            sums[code or code_of_fund or code_of_source, funder, fund, False].append(Amounts(*amounts))
    for (_, _, fund, is_split), parts in sums.items():
        rounded = Amounts(*(round_to_currency(amount, line.period.currency) for amount in _sum(parts)))
        if is_split and line.fund:
            yield from (Amounts(*part) for account, part in _divided(line, rounded) if account == line.fund)
        elif line.fund is None or fund == line.fund.pk:
            yield rounded


def _divided(line: Line, amounts: Amounts) -> list[tuple[FundingAccount | None, tuple[Decimal, ...]]]:
    split = _split(line)
    parts = split.parts() if split else [(None, HUNDRED)]
    percents = [percent for _, percent in parts]
    divided = (divide(amount, percents, len(parts) - 1, line.period.currency) for amount in amounts)
    return [(fund, part) for (fund, _), part in zip(parts, zip(*divided, strict=True), strict=True)]


def _split(line: Line) -> FundingSplit | None:
    """Of two in force, the service's own, and of these the one that began later."""
    in_force = FundingSplit.objects.filter(
        Q(last_month="") | Q(last_month__gte=line.month), first_month__lte=line.month
    )
    own = in_force.filter(project=line.project, service_name__in=["", line.service_name])
    return own.order_by("service_name", "first_month").last()


def _adjusted(line: Line, charge: Charge | None = None) -> Q:
    """Adjustments of the charges on the line, or of one; with upheld disputes, which may name no charge."""
    if charge:
        return Q(charge=charge) | Q(charge=None, dispute__charge=charge)
    of = {"source": line.source, "service_name": line.service_name}
    on_charges = Q(**{f"charge__{name}": value for name, value in of.items()}, charge__late_month=line.late_month)
    disputed = on_charges if line.late_month else on_charges | Q(charge=None, **of)
    mine = Dispute.objects.filter(disputed, period=line.period, pi=line.pi, project=line.project)
    adjusted = on_charges | Q(charge=None, dispute__in=mine)
    theirs = Q(period=line.period, pi=line.pi, project=line.project)
    return adjusted & theirs & (Q(funding_account=line.fund) if line.fund else Q())


def _corrections(which: Q, currency: str) -> Iterable[Amounts]:
    """As statements round them: adjustments one by one, the credits of a campaign together."""
    standing = of_campaigns(Adjustment.objects.filter(which, withdrawn_at=None))
    alone = standing.filter(campaign_of=None).values_list("list_amount", "due_amount")
    campaigns = standing.exclude(campaign_of=None).order_by().values("campaign_of")
    together = campaigns.annotate(listed=Sum("list_amount"), due=Sum("due_amount")).values_list("listed", "due")
    for amounts in [*alone, *together]:
        yield Amounts(*(round_to_currency(amount, currency) for amount in amounts))


def _sum(parts: list[Amounts]) -> Amounts:
    return Amounts(total([part.list for part in parts]), total([part.due for part in parts]))


def _within(amount: Decimal, most: Decimal) -> Decimal:
    """The amount, no further from zero than `most`, and never across it."""
    return max(ZERO, min(amount, most)) if amount > 0 else min(ZERO, max(amount, most))
