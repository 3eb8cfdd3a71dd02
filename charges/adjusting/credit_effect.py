"""What a credit campaign comes to: computed from the charges of the month, for the preview and for the campaign."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Any, NamedTuple

from django.db.models import Q, Sum

from charges.adjusting.apportioning import apportion
from charges.correcting.reversing import reversed_among
from charges.disputing.off_lines import off_lines, shares
from charges.ledger import Ledger, campaign_sums
from charges.models import Adjustment, Charge, CreditCampaign
from charges.models.charge import ChargeQuerySet
from charges.money import BILLIONTH, EXACT, HUNDRED, ZERO, minor_unit, round_to_currency, total
from periods.calendar import institution_day
from periods.models import BillingPeriod

FIELDS = (
    "pk", "pi_id", "project_id", "project__code", "source_id", "service_name", "account_code", "funder",
    "funding_account_id", "fund_step", "late_month", "due_amount", "charge_period_start", "charge_period_end",
)  # fmt: skip
DAY = timedelta(days=1)
Method = CreditCampaign.Method


class Candidate(NamedTuple):
    """A charge that the campaign names, and what of it is due after earlier adjustments."""

    row: Any
    due: Decimal


@dataclass(frozen=True, slots=True)
class ProjectEffect:
    """What one project is credited, as its statements print it."""

    code: str
    charges: int
    due: Decimal
    credited: Decimal
    is_capped: bool
    is_cut_by_due: bool
    credits: list[tuple[Any, Decimal]]  # a row of the charge, and its exact credit

    @property
    def remaining(self) -> Decimal:
        return self.due - self.credited


@dataclass(slots=True)
class Effect:
    projects: list[ProjectEffect] = field(default_factory=list)
    held: int = 0

    @property
    def credits(self) -> list[tuple[Any, Decimal]]:
        return [credit for project in self.projects for credit in project.credits]

    @property
    def charges(self) -> int:
        return sum(len(project.credits) for project in self.projects)

    @property
    def credited_projects(self) -> int:
        return sum(bool(project.credits) for project in self.projects)

    @property
    def total(self) -> Decimal:
        return total([project.credited for project in self.projects])

    @property
    def mark(self) -> str:
        """Another one whenever another charge, or another amount, is credited."""
        content = [f"{row.pk} {credit:f}" for row, credit in self.credits]
        return hashlib.sha256("\n".join(content).encode()).hexdigest()


def effect(campaign: CreditCampaign) -> Effect:
    matching = _matching(campaign)
    billable = matching.billable()
    earlier = _earlier(billable, campaign.period)
    by_project = defaultdict[tuple[str, int], list[Candidate]](list)
    for row in _within(billable.order_by("pk").values_list(*FIELDS, named=True).iterator(chunk_size=5000), campaign):
        due = _left(row.due_amount, earlier.get(row.pk, ZERO))
        by_project[row.project__code, row.project_id].append(Candidate(row, due))
    ledger = Ledger(campaign.period.month)
    return Effect(
        projects=[_project(campaign, code, by_project[code, pk], ledger) for code, pk in sorted(by_project)],
        held=sum(1 for _ in _within(matching.held().values_list(*FIELDS, named=True), campaign)),
    )


def credited_projects(campaign: CreditCampaign) -> list[tuple[str, int, Decimal]]:
    """Of a campaign that was made: code, credits and sum, as statements print it."""
    ledger, currency = Ledger(campaign.period.month), campaign.period.currency
    lines, charges = defaultdict[Any, Decimal](Decimal), defaultdict[str, int](int)
    for row in campaign_sums(campaign.adjustments.all()):
        lines[row.project__code, row.pi_id, ledger.key(row)] += row.due_sum
        charges[row.project__code] += row.charges
    sums = defaultdict[str, Decimal](Decimal)
    for (code, *_), due in lines.items():
        sums[code] += round_to_currency(due, currency)
    return [(code, charges[code], sums[code]) for code in sorted(sums)]


def _matching(campaign: CreditCampaign) -> ChargeQuerySet:
    """Of the month's own: what is late, reversed or rebilled belongs to another, whose outage it was or was not.

    What a late file has taken back is left out: nothing of it is due.
    """
    named = {name: getattr(campaign, name) for name in ("source", "service_name", "pi", "project")}
    own = Charge.objects.filter(
        period=campaign.period, late_month="", **{name: value for name, value in named.items() if value}
    )
    return own.exclude(pk__in=list(reversed_among(own)))


def _within(rows: Iterable[Any], campaign: CreditCampaign) -> Iterator[Any]:
    """Those whose charge period touches the days; one without a period is in no range of days."""
    first, last = campaign.first_day, campaign.last_day
    for row in rows:
        days = _days(row)
        is_before = first is not None and (days is None or days[1] < first)
        is_after = last is not None and (days is None or days[0] > last)
        if not (is_before or is_after):
            yield row


def _days(row: Any) -> tuple[date, date] | None:
    """First and last day by the institution's clock. The end of a period is exclusive."""
    if row.charge_period_start is None:
        return None
    first, end = institution_day(row.charge_period_start), row.charge_period_end
    if end is None:
        return first, first
    last = institution_day(end)
    is_midnight = end.hour == end.minute == 0
    return first, max(first, last - DAY if is_midnight else last)


def _earlier(charges: ChargeQuerySet, period: BillingPeriod) -> dict[int, Decimal]:
    """By charge, those that wait for approval included: together they must not pass zero."""
    standing = Adjustment.objects.filter(
        ~Q(due_amount=0), withdrawn_at=None, charge__in=charges.order_by().values("pk")
    )
    found = dict(standing.order_by().values_list("charge").annotate(sum=Sum("due_amount")))
    for adjustment in off_lines(period):
        for charge, amount in shares(adjustment, "due_amount", BILLIONTH).items():
            found[charge] = found.get(charge, ZERO) + amount
    return found


def _left(due: Decimal, adjusted: Decimal) -> Decimal:
    """What is left to credit; nothing once earlier adjustments took it to zero or beyond."""
    left = due + adjusted
    return left if left * due > 0 else ZERO


def _project(campaign: CreditCampaign, code: str, candidates: list[Candidate], ledger: Ledger) -> ProjectEffect:
    wanted = [_wanted(campaign, candidate.due) for candidate in candidates]
    lines = defaultdict[Any, list[int]](list)
    for index, candidate in enumerate(candidates):
        lines[candidate.row.pi_id, ledger.key(candidate.row)].append(index)
    sums = [total([wanted[index] for index in line]) for line in lines.values()]
    targets = _targets(sums, _limit(campaign), campaign.period.currency)
    credited = dict[int, Decimal]()
    for line, target in zip(lines.values(), targets, strict=True):
        shares = apportion(target, [wanted[index] for index in line], BILLIONTH)
        credited |= {index: share for index, share in zip(line, shares, strict=True) if share}
    uncut = _printed(sums, campaign.period.currency)
    return ProjectEffect(
        code=code,
        charges=len(candidates),
        due=total([candidate.due for candidate in candidates]),
        credited=_printed(targets, campaign.period.currency),
        is_capped=campaign.cap is not None and min(uncut, campaign.amount_of_project or uncut) > campaign.cap,
        is_cut_by_due=_is_cut_by_due(campaign, candidates, uncut),
        credits=[(candidates[index].row, credited[index]) for index in sorted(credited)],
    )


def _wanted(campaign: CreditCampaign, due: Decimal) -> Decimal:
    """Of one charge, before any limit of its project: an amount per project may take all that is due."""
    if campaign.percent is not None:
        with localcontext(EXACT):
            return (due * campaign.percent / HUNDRED).quantize(BILLIONTH)
    if campaign.method == Method.PER_PROJECT:
        return due
    return max(ZERO, min(due, campaign.amount or ZERO))


def _targets(sums: list[Decimal], limit: Decimal | None, currency: str) -> list[Decimal]:
    """What each line is credited. It stays exact and is rounded once, as the line of the charges is.

    Where the rounded lines would pass the limit, that is divided over them in whole coins. A project that is owed
    money gets nothing: a credit never charges anybody.
    """
    coin, whole = minor_unit(currency), total(sums)
    if whole <= 0:
        return [ZERO] * len(sums)
    if limit is not None and _printed(sums, currency) > limit:
        return apportion(min(limit, whole.quantize(coin, ROUND_DOWN, EXACT)), sums, coin)
    return [amount if round_to_currency(amount, currency) else ZERO for amount in sums]


def _printed(amounts: list[Decimal], currency: str) -> Decimal:
    return total([round_to_currency(amount, currency) for amount in amounts])


def _limit(campaign: CreditCampaign) -> Decimal | None:
    return min((amount for amount in (campaign.cap, campaign.amount_of_project) if amount is not None), default=None)


def _is_cut_by_due(campaign: CreditCampaign, candidates: list[Candidate], uncut: Decimal) -> bool:
    amount = campaign.amount or ZERO
    if campaign.method == Method.PER_PROJECT:
        return uncut < amount
    return campaign.method == Method.PER_CHARGE and any(0 < candidate.due < amount for candidate in candidates)
