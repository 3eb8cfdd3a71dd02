"""Decisions about charges that the provider begins to divide, or divides no more (FOCUS 1.3).

Parts are other rows than their origin, of other payers perhaps: what was decided about one side is asked about the
other, and holds where the same side comes again.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from django.db.models import Exists, OuterRef

from charges.importing.judging.allocations import KEY
from charges.importing.loading.pairing import STANDING, in_batches
from charges.models import Charge, FocusImport
from charges.models.charge import ChargeQuerySet

Told = tuple[object, ...]
NOT_BILLABLE = Charge.ReviewStatus.NOT_BILLABLE
SHARED = (*KEY, "billing_currency", "charge_period_start", "charge_period_end")  # by an origin and its parts


def billed_again(pairs: Mapping[int, int]) -> dict[int, int | None]:
    """Rows that are billed, where the charge that they replace was not → the last of their line that was, if any."""
    found: dict[int, int | None] = {}
    for rows in in_batches(pairs):
        again = rows.exclude(review_status=NOT_BILLABLE).filter(replaces__review_status=NOT_BILLABLE)
        found |= dict(again.values_list("pk", "replaces"))
    while before := _before(filter(None, found.values())):
        found = {row: before.get(old, old) if old else None for row, old in found.items()}
    return found


def _before(charges: Iterable[int]) -> dict[int, int | None]:
    """What those of them replaced that are not billed."""
    unbilled = (some.filter(review_status=NOT_BILLABLE) for some in in_batches(charges))
    return {pk: before for some in unbilled for pk, before in some.values_list("pk", "replaces")}


def divided_since(focus_import: FocusImport, heirs: Mapping[int, int]) -> dict[int, int]:
    """New row → the decided charge that is divided into it. `heirs` are row → the decided charge that it replaces."""
    unbilled = {pk: told for rows in in_batches(heirs) for pk, told in _told(rows.filter(review_status=NOT_BILLABLE))}
    replaced = in_batches(heirs[row] for row in unbilled)
    standing = {pk for charges in replaced for pk in charges.filter(STANDING).values_list("pk", flat=True)}
    origins = {told: heirs[row] for row, told in unbilled.items() if heirs[row] in standing}
    if not origins:
        return {}
    new = Charge.objects.filter(loaded_by=focus_import, replaces=None).exclude(review_status=NOT_BILLABLE)
    return {pk: origins[told] for pk, told in _told(new) if told in origins}


def divided_no_more(focus_import: FocusImport, rows: Collection[int]) -> dict[int, int]:
    """Of these, which are billed again → a part of theirs that is gone, and about which a decision stands."""
    if not rows:
        return {}
    heirs = Charge.objects.filter(loaded_by=focus_import, replaces=OuterRef("pk"))
    gone = dict(_told(Charge.objects.filter(STANDING, ~Exists(heirs), superseded_by=focus_import)))
    parts = {told: pk for pk, told in gone.items()}
    return {pk: parts[told] for some in in_batches(rows) for pk, told in _told(some) if told in parts}


def _told(charges: ChargeQuerySet) -> Iterator[tuple[int, Told]]:
    """By what an origin shares with its parts."""
    for pk, *told in charges.order_by("pk").values_list("pk", *SHARED).iterator():
        yield pk, tuple(told)
