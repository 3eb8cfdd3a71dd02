"""A refund goes to the fund that bore the charge, whatever its tags say now, and whether that fund still lasts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

from django.db.models import Q

from charges.attribution.deciding import Payer
from charges.importing.checking.memo import Memo
from charges.importing.checking.rows import Rows
from charges.importing.judging.directory import Found
from charges.models import Charge, FocusImport, Source
from charges.models.payers import WHO_PAYS
from periods.calendar import institution_day, last_day_before, month_of, previous_month
from periods.models import BillingPeriod

MONTHS_BACK = 13
Kind, Step = Charge.Kind, Charge.FundStep
# Of an earlier month, and borne elsewhere by now: corrected, carried over, or billed anew by a late file.
MOVED = Q(origin__isnull=False) & ~Q(kind=Kind.PART, loaded_by__kind=FocusImport.Kind.DELIVERY)


class Bearer(NamedTuple):
    """What an earlier charge of the resource was billed to, and from which day on."""

    day: date
    charge: Charge


class Refunds:
    """Of one source. Rows that name a resource are looked up by the block, and only where tags may mislead."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._periods: Memo[str, list[int]] = Memo(_periods_before)

    def follow(
        self, rows: Rows, payers: Sequence[Payer], found: Sequence[Found], month: str
    ) -> dict[int, tuple[Payer, Found]]:
        """Who bears the refunds among the rows, by their place."""
        places = list(_refunds(rows, found, month))
        if not places or not self._periods[month]:
            return {}
        resources = rows.text("resource_id")
        borne = self._bearers({resources[at] for at in places}, month)
        return {
            at: _as_borne(charge, payers[at], found[at], rows.last_days[at])
            for at in places
            if (charge := _latest(borne.get(resources[at], ()), rows.days[at]))
        }

    def _bearers(self, resources: set[str], month: str) -> dict[str, list[Bearer]]:
        """Of charges that one fund bore; what a split divided is divided by the split of today."""
        found: dict[str, list[Bearer]] = {}
        periods = Q(period__in=self._periods[month]) | Q(MOVED, period__month=month)
        charges = Charge.objects.billable().filter(periods, resource_id__in=resources).exclude(kind=Kind.REVERSAL)
        borne = charges.filter(source=self.source, due_amount__gt=0, funding_account__isnull=False)
        related = [path for name in WHO_PAYS for path in (name, f"{name}__merged_into")]
        related += ["project__fallback_fund", "project__merged_into__fallback_fund"]
        for charge in borne.select_related(*related).order_by("charge_period_start", "pk"):
            if charge.charge_period_start:
                day = institution_day(charge.charge_period_start)
                found.setdefault(charge.resource_id, []).append(Bearer(day, charge))
        return found


def _refunds(rows: Rows, found: Sequence[Found], month: str) -> Iterator[int]:
    """Corrections, rows about the days of an earlier month, and those whose fund has ended meanwhile."""
    if min(rows.due.values) >= 0:
        return
    classes, resources = rows.text("charge_class"), rows.text("resource_id")
    for at in rows.due.places(lambda due: due < 0):
        day = rows.days[at]
        if resources[at] and day:
            has_ended = found[at].expired_on is not None or found[at].fund_step == Step.FALLBACK
            if has_ended or classes[at] == "Correction" or month_of(day) < month:
                yield at


def _latest(bearers: Sequence[Bearer], day: date | None) -> Charge | None:
    """The last that had begun by then."""
    return next((bearer.charge for bearer in reversed(bearers) if day and bearer.day <= day), None)


def _as_borne(charge: Charge, payer: Payer, found: Found, last: date | None) -> tuple[Payer, Found]:
    """A refund that runs on after a part of a divided charge is divided at the same day."""
    pi, project, fund = (getattr(charge, name).standing for name in WHO_PAYS)
    step = Step.BEARER
    ends_on = _ends_before(charge, last)
    return (
        replace(payer, pi_email=pi.email, project_code=project.code, fund=fund.code, fund_step=step, rule=None),
        replace(
            found, pi=pi.pk, project=project.pk, project_code=project.code, fund=fund.pk, fund_code=fund.code,
            fund_step=step.value, is_split=False, expired_on=None,
            ends_on=ends_on, is_left_open=bool(ends_on and not project.fallback_after(ends_on)),
        ),
    )  # fmt: skip


def _ends_before(charge: Charge, last: date | None) -> date | None:
    """The last day of a part, where the row goes on after it."""
    if charge.kind != Kind.PART or charge.charge_period_end is None or last is None:
        return None
    ends_on = last_day_before(charge.charge_period_end)
    return ends_on if ends_on < last else None


def _periods_before(month: str) -> list[int]:
    first: Any = month
    for _ in range(MONTHS_BACK):
        first = previous_month(first)
    return list(BillingPeriod.objects.filter(month__gte=first, month__lt=month).values_list("pk", flat=True))
