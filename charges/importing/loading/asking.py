"""Rows that nobody should be billed for before a person has looked at an earlier decision: they are held."""

from collections.abc import Mapping
from typing import cast

from django.db import transaction

from charges.flags import LikeDecided
from charges.importing.loading.pairing import ASKING, in_batches
from charges.models import Charge
from charges.rewriting import rewrite

Status = Charge.ReviewStatus


def ask_again(alike: Mapping[int, int]) -> None:
    """Hold staged rows that are like a charge which people decided about, and parts of such rows.

    `alike` are key → key of that charge.
    """
    old_ones = {old.pk: old for charges in in_batches(set(alike.values())) for old in charges}
    for charges in in_batches(alike):
        parts = Charge.objects.filter(kind=Charge.Kind.PART, origin__in=charges)
        asked = {charge: old_ones[alike[charge.pk]] for charge in charges}
        asked |= {part: old_ones[alike[cast(int, part.origin_id)]] for part in parts}
        _hold({new: LikeDecided.of(_decision(old), old.decision_reason) for new, old in asked.items()})


def ask_still(pairs: Mapping[int, int], asked: Mapping[int, Mapping[str, str]]) -> None:
    """What nobody answered about charges is asked about their changed form.

    `pairs` are key → key that it replaces; `asked` are the flags of those, by that key.
    """
    for charges in in_batches(new for new, old in pairs.items() if old in asked):
        flags = {new: asked[pairs[new.pk]] for new in charges}
        _hold({new: {name: why for name, why in old.items() if name in ASKING} for new, old in flags.items()})


def _hold(reasons: Mapping[Charge, dict[str, str]]) -> None:
    held = [charge for charge in reasons if charge.review_status in (Status.CLEAR, Status.HELD)]
    for charge in held:
        charge.flags |= reasons[charge]
        charge.review_status = Status.HELD
    with transaction.atomic():
        rewrite(held, ("flags", "review_status"))


def _decision(charge: Charge) -> str:
    is_moved = charge.review_status in (Status.CLEAR, Status.HELD)
    return "re-attributed" if is_moved else charge.get_review_status_display().lower()
