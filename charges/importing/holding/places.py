"""The months that a delivery speaks for: where their rows go, and what is held of them already."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from django.conf import settings

from charges.correcting.reversing import ELSEWHERE
from charges.importing.checking.totals import ControlTotals
from charges.importing.holding.appending import Ledger
from charges.importing.holding.snapshot import Snapshot, deliveries_of, divided, held_of
from charges.importing.holding.then import Reading, readings
from charges.importing.judging.unusual import Watch
from charges.models import Charge, ReviewSettings, Source
from periods.errors import PeriodNotOpen, Refused
from periods.models import BillingPeriod

State = BillingPeriod.State
Status = Charge.ReviewStatus
# Kinds of new rows: of the first nobody is billed; PAYER_ASKED are held only until somebody says who pays.
NOT_BILLABLE, CLEAR, HELD, PAYER_ASKED, DIVIDED, SHARED = range(6)
BY_STATUS = {
    Status.NOT_BILLABLE.value: NOT_BILLABLE, Status.CLEAR.value: CLEAR, Status.HELD.value: HELD,
    Status.DIVIDED.value: DIVIDED, Status.SHARED.value: SHARED,
}  # fmt: skip


@dataclass(slots=True)
class ProjectDelta:
    """Amounts in billionths; `rows` come, and those `gone` were held before."""

    rows: int = 0
    gone: int = 0
    list: int = 0
    due: int = 0

    def add(self, other: "ProjectDelta") -> None:
        self.rows += other.rows
        self.gone += other.gone
        self.list += other.list
        self.due += other.due


class Piece(NamedTuple):
    key: int  # of the charge that is divided
    is_part: bool  # or the charge itself


@dataclass(slots=True)
class Place:
    """One month of a delivery. `period` takes its charges: for a `late_month`, a later one that is open.

    A closed place has nowhere to put a difference: its rows are compared and shown, and not loaded. It is settled
    where there is no difference, and then no obstacle: a nightly folder holds the closed months too.
    """

    month: str
    period: BillingPeriod | None
    currency: str
    holding: Snapshot | Ledger
    late_month: str = ""
    is_closed: bool = False
    is_settled: bool = False
    watch: Watch | None = None  # of an open month
    was_delivered: bool = False  # be it that nothing of it is held any more
    rows: int = 0
    undecided: int = 0  # bad rows of a closed place that are new to it
    unchanged: int = 0
    added: int = 0
    flagged: int = 0
    then: dict[str, Reading] = field(
        default_factory=dict
    )  # by account, where its rows were loaded under other settings
    accounts: Counter[str] = field(default_factory=Counter)
    replaced: list[str] = field(default_factory=list)  # accounts among them that no row names
    deltas: defaultdict[tuple[str, str], ProjectDelta] = field(
        default_factory=lambda: defaultdict(ProjectDelta)
    )  # by currency and project
    totals: ControlTotals = field(default_factory=ControlTotals)  # of a closed place
    identities: "array[int]" = field(default_factory=lambda: array("q"))
    abouts: "array[int]" = field(default_factory=lambda: array("q"))
    dues: "array[int]" = field(default_factory=lambda: array("q"))
    divided: AbstractSet[int] = frozenset()  # keys of charges that the provider has divided
    pieces: dict[int, Piece] = field(default_factory=dict)  # rows of those keys, by their place among the new ones
    statuses: bytearray = field(default_factory=bytearray)  # by their kinds

    def replace_accounts(self) -> None:
        self.replaced = self.holding.replaced(self.accounts)
        self.accounts.update(dict.fromkeys(self.replaced, 0))

    @property
    def is_kept(self) -> bool:
        """Whether its rows are shown as late, and not loaded."""
        return self.is_closed and not self.is_settled

    @property
    def differs(self) -> bool:
        return bool(self.added or self.undecided or self.holding.left(self.accounts))


class Places(dict[str, Place]):
    """By month of the rows. A month is made by the first row that names it, but not in a dry run."""

    def __init__(
        self, source: Source, settings: ReviewSettings, *, may_create: bool, late_to: str | None = None
    ) -> None:
        super().__init__()
        self.settings = settings
        self.source, self.may_create, self.late_to = source, may_create, late_to
        self.ledger = Ledger(source)

    def __missing__(self, month: str) -> Place:
        place = self[month] = self._open(month)
        return place

    @property
    def loaded(self) -> list[Place]:
        """Those that take charges."""
        return [self[month] for month in sorted(self) if not self[month].is_closed]

    @property
    def settled(self) -> list[Place]:
        return [self[month] for month in sorted(self) if self[month].is_settled]

    @property
    def are_all_kept(self) -> bool:
        """Whether all there is belongs to closed months, and some of it differs."""
        return not self.loaded and len(self.settled) < len(self)

    def taker(self, place: Place) -> str:
        """The month that takes charges of the place, be it there already or, in a dry run, not yet."""
        return self.late_to or "" if place.late_month else place.month

    def settle(self) -> None:
        """Once all rows are read. Raises PeriodNotOpen for a closed month with a difference that may not be kept."""
        for place in self.values():
            place.replace_accounts()
            if place.is_closed:
                place.is_settled = not place.differs
                if place.is_kept:
                    self.refuse_unless_kept(place)

    def refuse_unless_kept(self, place: Place) -> None:
        if self.source.late_policy == Source.LatePolicy.KEEP:
            return
        assert place.period is not None
        reopen = ", or reopen the month" if place.period.state == State.CLOSED else ""
        raise PeriodNotOpen(
            f"{place.period} is {place.period.get_state_display().lower()}, and this delivery differs from what it "
            f"holds: nothing was loaded. Say which open month takes the difference (--late-to){reopen}."
        )

    def _open(self, month: str) -> Place:
        period = self._period(month)
        if period is None or period.state == State.OPEN:
            _refuse_billed_twice(self.source, month)
            watch = Watch(self.source, month, _currency(period), self.settings)
            place = Place(month, period, _currency(period), self._holding(period), watch=watch)
            if period and isinstance(place.holding, Snapshot):
                place.was_delivered = deliveries_of(self.source, period).exists()
                place.divided = divided(self.source, period)
            return place
        target = self._target(self.late_to, month) if self.late_to else period
        place = Place(month, target, _currency(target), self._holding(period), late_month=month)
        place.is_closed, place.then = not self.late_to, readings(self.source, month)
        return place

    def _holding(self, period: BillingPeriod | None) -> Snapshot | Ledger:
        if self.source.delivery == Source.Delivery.APPEND:
            return self.ledger
        return Snapshot(held_of(self.source, period) if self.source.pk and period else None)

    def _period(self, month: str) -> BillingPeriod | None:
        period = BillingPeriod.objects.filter(month=month).first()
        if period is None and self.may_create:
            return BillingPeriod.objects.get_or_create(month=month)[0]
        return period

    def _target(self, month: str, late: str) -> BillingPeriod | None:
        if month < late:
            raise Refused(f"Differences of {late} belong in a later month, not in {month}.")
        target = self._period(month)
        if target and target.state != State.OPEN:
            raise PeriodNotOpen(
                f"{target} is {target.get_state_display().lower()}: late differences need an open month."
            )
        return target


def _refuse_billed_twice(source: Source, month: str) -> None:
    """A reopened month must not take again what was billed as its late difference."""
    differences = Charge.objects.current().filter(late_month=month, source=source.pk).exclude(late_month="")
    if late := differences.exclude(origin__kind__in=ELSEWHERE.values()).first():  # which are no rows of its file
        raise Refused(
            f"Late differences of {month} were loaded into {late.period} by {late.loaded_by}. "
            "Reverse that import first, or they are billed twice."
        )


def _currency(period: BillingPeriod | None) -> str:
    return period.currency if period else settings.CURRENCY
