"""How many changed rows wait for a person: what was decided about the charges they replace counts, not their flags."""

from collections.abc import Sequence
from decimal import Decimal

from charges.importing.holding.places import CLEAR, HELD, PAYER_ASKED, SHARED, Place
from charges.importing.loading.batches import in_batches
from charges.importing.loading.pairing import Link
from charges.importing.loading.standing import ASKED, ASKING, ONCE_DECIDED
from charges.models import Charge, Source
from charges.money import from_billionths

Status = Charge.ReviewStatus
WAITING = (HELD, PAYER_ASKED)


def held_by_decisions(source: Source, place: Place, links: Sequence[Link]) -> int:
    """How many more, or fewer, than their flags hold."""
    rows = {old: at for at, old in links}
    more = 0
    for charges in in_batches(rows):
        for charge in charges.filter(ONCE_DECIDED | ASKED).select_related("exchange_rate"):
            at = rows[charge.pk]
            if place.statuses[at] in (CLEAR, SHARED, *WAITING):
                rate = charge.exchange_rate.rate if charge.exchange_rate else Decimal(1)
                moved = abs(from_billionths(place.dues[at]) * rate - charge.due_amount)
                is_held = _is_held(charge, place.statuses[at], has_moved=moved > source.approval_threshold)
                more += is_held - (place.statuses[at] in WAITING)
    return more


def _is_held(old: Charge, kind: int, *, has_moved: bool) -> bool:
    """As `inheriting.carry` will have it."""
    if old.review_status in (Status.EXCLUDED, Status.DEFERRED):
        return False
    if old.review_status in (Status.APPROVED, Status.SHARED):
        return has_moved
    if not old.flags.keys().isdisjoint(ASKING) and old.review_status == Status.HELD:
        return True
    if kind == PAYER_ASKED and (old.payer_before or old.fund_step == Charge.FundStep.DECISION):
        return old.review_status == Status.HELD
    return kind in WAITING
