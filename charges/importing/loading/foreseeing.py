"""How many changed rows wait for a person: what was decided about the charges they replace counts, not their flags."""

from collections.abc import Sequence
from decimal import Decimal

from charges.importing.holding.places import CLEAR, HELD, Place
from charges.importing.loading.batches import in_batches
from charges.importing.loading.pairing import Link
from charges.importing.loading.standing import ASKED, ONCE_DECIDED
from charges.models import Charge, Source
from charges.money import from_billionths

Status = Charge.ReviewStatus


def held_by_decisions(source: Source, place: Place, links: Sequence[Link]) -> int:
    """How many more, or fewer, than their flags hold."""
    rows = {old: at for at, old in links}
    more = 0
    for charges in in_batches(rows):
        about = charges.filter(ONCE_DECIDED | ASKED).values_list(
            "pk", "review_status", "due_amount", "exchange_rate__rate"
        )
        for pk, status, due, rate in about:
            at = rows[pk]
            if place.statuses[at] in (CLEAR, HELD):
                moved = abs(from_billionths(place.dues[at]) * (rate or 1) - due)
                more += _is_held(status, moved, source) - (place.statuses[at] == HELD)
    return more


def _is_held(status: str, moved: Decimal, source: Source) -> bool:
    if status in (Status.APPROVED, Status.SHARED):
        return moved > source.approval_threshold
    return status == Status.HELD
