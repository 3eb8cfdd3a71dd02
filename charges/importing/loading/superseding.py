"""Charges of a snapshot that are no more as they were give way to its rows."""

from collections.abc import Iterable, Sequence
from itertools import chain

from django.db import transaction
from django.db.models import Q

from charges.importing.holding.snapshot import by_month
from charges.importing.loading.batches import BATCH, in_batches
from charges.models import Charge, FocusImport
from charges.models.charge import SUPERSEDED
from periods.models import BillingPeriod


def announce(focus_import: FocusImport, period: BillingPeriod, left: Iterable[int]) -> None:
    """Say of charges what will supersede them: they stay current until it is loaded.

    Others wait for a batch of them, not for a million. Raises PeriodNotOpen.
    """
    for charges in in_batches(sorted(left)):
        with transaction.atomic():
            BillingPeriod.objects.lock_open(period.pk)  # nothing is loaded into it at this moment
            by_month(charges).filter(of_period=period.pk).exclude(SUPERSEDED).update(superseded_by=focus_import)


def supersede(focus_import: FocusImport, left: Sequence[Sequence[int]]) -> None:
    """What was not announced: late rows in other months, and what another delivery was to supersede as well.

    `left` are keys, by month.
    """
    if not any(left):
        return
    if Charge.objects.filter(superseded_by=focus_import).count() != sum(map(len, left)):
        for charges in in_batches(chain(*left)):
            charges.exclude(superseded_by=focus_import).update(superseded_by=focus_import)
    parts = Charge.objects.filter(kind=Charge.Kind.PART, origin__superseded_by=focus_import)
    while parts.exclude(superseded_by=focus_import).update(superseded_by=focus_import):
        continue  # a reviewer may have moved a part into a project that ends within its days, a moment ago


def release(focus_import: FocusImport) -> None:
    """Take back what was announced of an import that is not loaded. Sealed charges keep what they say."""
    announced = Charge.objects.filter(superseded_by=focus_import)
    current = announced.exclude(SUPERSEDED | Q(period__state=BillingPeriod.State.FINALIZED)).order_by()
    while pks := list(current.values_list("pk", flat=True)[:BATCH]):
        announced.filter(pk__in=pks).update(superseded_by=None)
