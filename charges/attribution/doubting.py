"""Lines of a month on accounts that were not valid on the days charged, or that nobody has ever confirmed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import Count, Q, Sum

from charges.models import AllowedFund, Charge, FundingAccount, PrincipalInvestigator, Project, ReviewRule, Source
from charges.money import ZERO
from charges.patterns import compiled
from periods.calendar import institution_day, last_day, last_day_before
from periods.models import BillingPeriod

UNKNOWN = "unknown"
LINE = ("pi", "project", "source", "service_name", "funding_account")
RIGHTLY = Q(fund_step=Charge.FundStep.BEARER) | Q(kind=Charge.Kind.REVERSAL)  # they go back to where they came from


@dataclass(slots=True)
class Doubt:
    """Charges of one line, and what is wrong with their account."""

    pi: PrincipalInvestigator
    project: Project
    source: Source
    service_name: str
    fund: FundingAccount
    why: str
    charges: int = 0
    due: Decimal = ZERO


def doubts(period: BillingPeriod) -> list[Doubt]:
    """By account; of what statements carry. A split names its accounts itself, and is none of these."""
    billed = Charge.objects.filter(period=period, funding_account__isnull=False).billable().exclude(due_amount=0)
    found: dict[tuple[Any, ...], Doubt] = {}
    named = _Named()
    for *line, why, charges, due in [*_invalid(period, billed, named), *_unknown(billed)]:
        doubt = found.setdefault((*line, why), named.doubt(line, why))
        doubt.charges += charges
        doubt.due += due
    return sorted(found.values(), key=lambda doubt: (doubt.fund.code, doubt.why, str(doubt.pi), doubt.service_name))


class _Named:
    """Rows that lines refer to, read once, and only where there is a doubt."""

    @cached_property
    def funds(self) -> dict[int, FundingAccount]:
        return FundingAccount.objects.in_bulk()

    @cached_property
    def projects(self) -> dict[int, Project]:
        return Project.objects.in_bulk()

    @cached_property
    def sources(self) -> dict[int, Source]:
        return Source.objects.in_bulk()

    @cached_property
    def pis(self) -> dict[int, PrincipalInvestigator]:
        return PrincipalInvestigator.objects.in_bulk()

    def doubt(self, line: list[Any], why: str) -> Doubt:
        pi, project, source, service, fund = line
        return Doubt(self.pis[pi], self.projects[project], self.sources[source], service, self.funds[fund], why)

    def objection(self, fund: int, project: int, start: datetime, end: datetime | None) -> str:
        """Why the account could not be charged on the first or the last of these days; empty where it could."""
        on_first = self._on(fund, project, institution_day(start))
        return on_first or (self._on(fund, project, last_day_before(end)) if end and end > start else "")

    def _on(self, fund: int, project: int, day: date) -> str:
        account, ends = self.funds[fund], self.projects[project].end_date
        if account.valid_from and day < account.valid_from:
            return f"not valid before {account.valid_from}"
        if account.valid_until and day > account.valid_until:
            return f"expired on {account.valid_until}"
        is_fallback = self.projects[project].fallback_fund_id == fund
        return f"project ended on {ends}" if ends and day > ends and not is_fallback else ""


def _invalid(period: BillingPeriod, billed: Any, named: _Named) -> Iterator[tuple[Any, ...]]:
    """Only of accounts and projects that have such a date in the month or before are days looked at."""
    last: date = last_day(period.month)
    dated = Q(funding_account__valid_until__lt=last) | Q(funding_account__valid_from__isnull=False)
    limited = billed.filter(dated | Q(project__end_date__lt=last), charge_period_start__isnull=False).exclude(RIGHTLY)
    rows = limited.order_by().values_list(*LINE, "charge_period_start", "charge_period_end")
    for *line, start, end, charges, due in rows.annotate(charges=Count("pk"), due=Sum("due_amount")):
        if why := named.objection(line[4], line[1], start, end):
            yield *line, why, charges, due


def _unknown(billed: Any) -> Iterator[tuple[Any, ...]]:
    unconfirmed = billed.filter(funding_account__is_confirmed=False)
    codes = dict(unconfirmed.order_by().values_list("funding_account", "funding_account__code").distinct())
    unknown = _strange(codes)
    rows = unconfirmed.filter(funding_account__in=unknown).order_by().values_list(*LINE)
    for *line, charges, due in rows.annotate(charges=Count("pk"), due=Sum("due_amount")):
        yield *line, UNKNOWN, charges, due


def _strange(codes: dict[int, str]) -> list[int]:
    """Made by tags alone, in no format and on no list. Where nobody keeps track of accounts, none is strange."""
    rules = ReviewRule.objects.filter(kind=ReviewRule.Kind.FUND_FORMAT, is_active=True)
    formats = [compiled(pattern) for pattern in rules.values_list("pattern", flat=True)]
    is_kept = formats or AllowedFund.objects.exists() or FundingAccount.objects.filter(is_confirmed=True).exists()
    if not codes or not is_kept:
        return []
    listed = set(AllowedFund.objects.filter(code__in=list(codes.values())).values_list("code", flat=True))
    return [pk for pk, code in codes.items() if code not in listed and not any(form.search(code) for form in formats)]
