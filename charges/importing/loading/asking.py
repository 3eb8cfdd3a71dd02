"""Rows that nobody should be billed for before a person has looked at an earlier decision: they are held."""

from collections.abc import Mapping
from typing import cast

from django.db import transaction

from charges.flags import LikeDecided
from charges.importing.loading.batches import in_batches
from charges.importing.loading.standing import ASKING
from charges.models import Charge
from charges.review import UNDECIDED
from charges.rewriting import rewrite

Status = Charge.ReviewStatus


def ask(about: Mapping[int, int]) -> None:
    """Hold staged rows, and parts of their days, by what was decided about a charge, or by what is asked about it still.

    `about` are key → key of that charge.
    """
    old_ones = {old.pk: old for charges in in_batches(set(about.values())) for old in charges}
    for charges in in_batches(about):
        with transaction.atomic():
            parts = Charge.objects.filter(kind=Charge.Kind.PART, origin__in=charges)
            asked = {charge: old_ones[about[charge.pk]] for charge in charges}
            asked |= {part: old_ones[about[cast(int, part.origin_id)]] for part in parts}
            _hold({new: _reasons(old) for new, old in asked.items()})


def _hold(reasons: Mapping[Charge, dict[str, str]]) -> None:
    held = [charge for charge in reasons if charge.review_status in UNDECIDED]
    for charge in held:
        charge.flags |= reasons[charge]
        charge.review_status = Status.HELD
    rewrite(held, ("flags", "review_status"))


def _reasons(charge: Charge) -> dict[str, str]:
    asked = {name: why for name, why in charge.flags.items() if name in ASKING}
    if asked and charge.review_status == Status.HELD:
        return asked
    is_moved = charge.review_status in UNDECIDED
    decision = "re-attributed" if is_moved else charge.get_review_status_display().lower()
    return LikeDecided.of(decision, charge.decision_reason)
