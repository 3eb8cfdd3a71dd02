"""Judges the charges of open months again, once a review rule, a threshold or the allow-list has changed.

Only what these say is judged. What the file says about a charge stays, and so does every decision.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet

from charges.correcting.reversing import reversals_of
from charges.flags import BY_RULES, Aging, Reviewer
from charges.importing.judging.unusual import PROJECT, Flags, Watch
from charges.models import Charge, ReviewSettings, Source
from charges.review import COPIED, UNDECIDED, put_by_flags
from charges.rewriting import rewrite
from periods import audit
from periods.calendar import institution_day
from periods.errors import Refused
from periods.lifecycle import require_permission
from periods.models import BillingPeriod

Status, Kind = Charge.ReviewStatus, Charge.Kind
WATCHED = (Kind.DELIVERED, Kind.PART)  # for an unusual change
BATCH = 5000
READ = (
    "pk", "flags", "kind", "late_month", "source_id", "fund_step", "service_name", "resource_name", "resource_id",
    "charge_period_start",
)  # fmt: skip
PLACED = (
    "flags", "review_status", "source", "pi", "project", "funding_account", "fund_step", "due_amount",
    "charge_category", "commitment_discount_status",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rechecked:
    """Charges: newly held, cleared, and held as before for other reasons."""

    held: int
    cleared: int
    reworded: int


@dataclass(slots=True)
class Change:
    """A charge with its new flags, unsaved, and the status that it had."""

    charge: Charge
    before: str


def would_change() -> Rechecked:
    """What `recheck` would do now. Nothing is changed."""
    return _counted(change for period in _open_months() for block in _changes(period) for change in block)


@transaction.atomic
def recheck(*, seen: str = "", by: Any = None) -> Rechecked:
    """Give the undecided charges of open months the flags that they would get if they were delivered now.

    `seen` is what a page said would change. Raises Refused where that is something else by now.
    """
    require_permission(by, "charges.recheck_charge", "check charges again")
    months = [BillingPeriod.objects.lock_open(period.pk) for period in _open_months()]
    found = _counted(change for period in months for change in _rewritten(period, by))
    if seen and seen != str(found):
        raise Refused("What would change is something else by now. Look again.")
    return found


def _open_months() -> list[BillingPeriod]:
    return list(BillingPeriod.objects.filter(state=BillingPeriod.State.OPEN).order_by("pk"))


def _rewritten(period: BillingPeriod, by: Any) -> Iterator[Change]:
    """Saved block by block, with one audit entry for the month, as decisions have it."""
    before, after = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for block in _changes(period):
        rewrite([change.charge for change in block], ("flags", "review_status"))
        for change in block:
            before[change.before].append(change.charge.pk)
            after[change.charge.review_status].append(change.charge.pk)
        yield from block
    if rows := sum(map(len, after.values())):
        audit.record(
            by=by, action="recheck", subject=f"{rows} charges", period=period, rows=rows, before=before, after=after
        )


def _changes(period: BillingPeriod) -> Iterator[list[Change]]:
    """A block at a time: a month has more charges than fit into memory."""
    judge = _Judge(period)
    undecided = Charge.objects.current().filter(period=period, review_status__in=UNDECIDED).exclude(kind__in=COPIED)
    undecided = undecided.exclude(review_status=Status.SHARED, decided_at__isnull=False)  # which was approved
    undecided = undecided.exclude(pk__in=reversals_of(Charge.objects.filter(period=period)).values("origin"))
    pks = array("q", undecided.order_by("pk").values_list("pk", flat=True).iterator())
    for start in range(0, len(pks), BATCH):
        found = judge.found(Charge.objects.filter(pk__in=pks[start : start + BATCH].tolist()))
        charges = Charge.objects.filter(pk__in=found).only(*PLACED).prefetch_related("source").order_by("pk")
        yield [_changed(charge, found[charge.pk]) for charge in charges]


def _by_rules(flags: dict[str, str]) -> dict[str, str]:
    return {flag: why for flag, why in flags.items() if flag in BY_RULES}


def _changed(charge: Charge, found: dict[str, str]) -> Change:
    before = charge.review_status
    charge.flags = {flag: why for flag, why in charge.flags.items() if flag not in BY_RULES} | found
    put_by_flags(charge)
    return Change(charge, before)


def _counted(changes: Iterator[Change]) -> Rechecked:
    moves = Counter(
        (change.before == Status.HELD, change.charge.review_status == Status.HELD) for change in changes
    )  # fmt: skip
    return Rechecked(held=moves[False, True], cleared=moves[True, False], reworded=moves[True, True])


class _Judge:
    """Of one month, by the settings and rules in force when it is made."""

    def __init__(self, period: BillingPeriod) -> None:
        self.period, self.settings, self.sources = period, ReviewSettings.in_force(), Source.objects.in_bulk()
        self._of_source: dict[int, tuple[Reviewer, Flags]] = {}

    def found(self, charges: QuerySet[Charge]) -> dict[int, dict[str, str]]:
        """What is said of those of them, by key, of which something else was said before."""
        named = charges.annotate(fund_code=F("funding_account__code"), project_code=PROJECT)
        rows: Any = named.values_list(*READ, "fund_code", "project_code", named=True)
        both = ((row, self._flags(row)) for row in rows)
        return {row.pk: found for row, found in both if found != _by_rules(row.flags)}

    def _flags(self, charge: Any) -> dict[str, str]:
        reviewer, unusual = self._by_source(charge.source_id)
        fund = "" if charge.fund_step == Charge.FundStep.DECISION else charge.fund_code or ""
        names = charge.service_name, charge.resource_name, charge.resource_id
        month = charge.late_month or self.period.month
        day = charge.charge_period_start and institution_day(charge.charge_period_start)
        oldest = self.settings.oldest_day(month)
        old_day = day if day and oldest and day < oldest else None
        found = reviewer.by_rules(fund, day, names, old_day, month)
        if charge.kind == Kind.CARRIED:  # why it was deferred is not told by its days alone
            found.pop(Aging.name, None)
            found |= {flag: why for flag, why in charge.flags.items() if flag == Aging.name}
        is_watched = charge.kind in WATCHED and not charge.late_month
        return found | (unusual.get((charge.project_code or "", charge.service_name), {}) if is_watched else {})

    def _by_source(self, key: int) -> tuple[Reviewer, Flags]:
        if key not in self._of_source:
            source, period = self.sources[key], self.period
            watch = Watch(source, period.month, period.currency, self.settings)
            self._of_source[key] = Reviewer(source), watch.unusual_now(period)
        return self._of_source[key]
