"""Services that cost a project far more than in the three months before: known once a whole delivery is read."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Coalesce

from charges.flags import UnusualChange
from charges.importing.checking.rows import Rows
from charges.importing.judging.assessing import CLEAR, NOT_BILLABLE, Assessment
from charges.models import Charge, FocusImport, ReviewSettings, Source
from charges.money import from_billionths
from charges.rewriting import rewrite
from periods.calendar import previous_month
from periods.models import BillingPeriod

MONTHS = 3
BATCH = 5000
UNBILLED = (Charge.ReviewStatus.NOT_BILLABLE, Charge.ReviewStatus.EXCLUDED)
PROJECT = Coalesce("project__merged_into__code", "project__code", default=None)
Key = tuple[str, str]  # the code of a project, and a service
Flags = dict[Key, dict[str, str]]


@dataclass(slots=True)
class New:
    """Rows of a delivery, those of them that no other flag holds, and their due in billionths."""

    rows: int = 0
    clear: int = 0
    due: int = 0


class Watch:
    """Over one month of a delivery. A fall is never unusual: a month that is still filling up looks like one."""

    def __init__(self, source: Source, month: str, currency: str, settings: ReviewSettings) -> None:
        self.source, self.currency, self.settings = source, currency, settings
        self.usual = self._usual(month)
        self.new: dict[Key, New] = {}

    def _usual(self, month: str) -> dict[Key, Decimal]:
        """The average of services that the three months before have, each of them."""
        before = [month := previous_month(month) for _ in range(MONTHS)]
        periods = list(BillingPeriod.objects.filter(month__in=before, currency=self.currency))
        if self.settings.unusual_times is None or len(periods) < MONTHS or not self.source.pk:
            return {}
        sums: dict[Key, list[Decimal]] = {}
        for period in periods:
            for key, due in self._held(period).items():
                sums.setdefault(key, []).append(due)
        return {key: sum(dues, Decimal(0)) / MONTHS for key, dues in sums.items() if len(dues) == MONTHS}

    def count(self, rows: Rows, assessment: Assessment) -> None:
        found = zip(
            assessment.found, rows.text("service_name"), rows.currencies, assessment.prices.due, assessment.statuses,
            strict=True,
        )  # fmt: skip
        for place, service, currency, due, status in found:
            key = (place.project_code, service)
            if key in self.usual and currency == self.currency and status != NOT_BILLABLE:
                new = self.new.setdefault(key, New())
                new.rows += 1
                new.clear += status == CLEAR
                new.due += due

    def unusual(self, period: BillingPeriod | None, gone: Iterable[QuerySet[Charge]]) -> Flags:
        """The flag of each service that is too dear once the delivery is loaded, and charges that are `gone` are not."""
        held = self._held(period) if period and self.new else {}
        for charges in gone if held else ():
            for key, due in self._sums(charges).items():
                held[key] = held.get(key, Decimal(0)) - due
        return self._flags({key: held.get(key, Decimal(0)) + from_billionths(new.due) for key, new in self.new.items()})

    def unusual_now(self, period: BillingPeriod) -> Flags:
        """The flag of each service that is too dear by what the month holds."""
        return self._flags({key: due for key, due in self._held(period).items() if key in self.usual})

    def _flags(self, dues: dict[Key, Decimal]) -> Flags:
        return {
            key: UnusualChange.against(self.usual[key], due, self.currency)
            for key, due in dues.items()
            if self._is_unusual(self.usual[key], due)
        }

    def _is_unusual(self, usual: Decimal, due: Decimal) -> bool:
        times = self.settings.unusual_times
        assert times is not None
        return abs(due) > times * abs(usual) and abs(due - usual) >= self.settings.unusual_amount

    def _held(self, period: BillingPeriod) -> dict[Key, Decimal]:
        return self._sums(Charge.objects.current().filter(period=period))

    def _sums(self, charges: QuerySet[Charge]) -> dict[Key, Decimal]:
        mine = charges.filter(source=self.source, kind=Charge.Kind.DELIVERED, billing_currency=self.currency)
        sums: Any = mine.exclude(review_status__in=UNBILLED).order_by().values_list(PROJECT, "service_name")
        return {(code or "", service): due for code, service, due in sums.annotate(due=Sum("due_amount"))}


def hold(focus_import: FocusImport, period: BillingPeriod, flags: Flags) -> None:
    """Give staged charges the flags of their services, a batch at a time: nobody else waits."""
    services = {service for _, service in flags}
    staged = Charge.objects.filter(loaded_by=focus_import, period=period, service_name__in=services, late_month="")
    billed = (
        staged.exclude(review_status__in=(*UNBILLED, Charge.ReviewStatus.DIVIDED))
        .annotate(code=F("project__code"))
        .order_by("pk")
    )
    last = 0
    while block := list(billed.filter(pk__gt=last).only("flags", "review_status", "service_name")[:BATCH]):
        last = block[-1].pk
        dear = [charge for charge in block if (charge.code or "", charge.service_name) in flags]
        for charge in dear:
            charge.flags |= flags[charge.code or "", charge.service_name]
            charge.review_status = Charge.ReviewStatus.HELD
        with transaction.atomic():
            rewrite(dear, ("flags", "review_status"))
