"""Who paid for a charge before a person said so: kept with it, so that the decision can be undone."""

from typing import Any

from charges.flags import PAYER_FLAGS
from charges.models import Charge
from charges.models.payers import WHO_PAYS, Mergeable

ABOUT_PAYER = ("missing_pi", "missing_project", *PAYER_FLAGS)


def remember(charge: Charge) -> None:
    """Before the first decision; later ones change nothing. Unsaved."""
    if charge.payer_before is None:
        flags = {flag: why for flag, why in charge.flags.items() if flag in ABOUT_PAYER}
        keys = {name: getattr(charge, f"{name}_id") for name in WHO_PAYS}
        charge.payer_before = {**keys, "fund_step": charge.fund_step, "flags": flags}


class Restorer:
    """Looks up each payer once for any number of charges."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Mergeable] = {}

    def restore(self, charge: Charge) -> None:
        """As it was, by the names that the payers have been merged into since. Unsaved."""
        before = charge.payer_before or {}
        for name in WHO_PAYS:
            setattr(charge, name, self._standing(name, before[name]))
        charge.fund_step, charge.payer_before = before["fund_step"], None
        kept = {flag: why for flag, why in charge.flags.items() if flag not in ABOUT_PAYER}
        charge.flags = kept | before["flags"]

    def _standing(self, name: str, key: int | None) -> Mergeable | None:
        if key is None:
            return None
        if (name, key) not in self._known:
            model: Any = Charge._meta.get_field(name).related_model
            self._known[name, key] = model.objects.select_related("merged_into").get(pk=key).standing
        return self._known[name, key]
