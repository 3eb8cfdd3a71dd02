"""What people decided about a charge, alone or among thousands, and about the rows that it replaced."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Q

from charges.models import Charge
from periods.models import AuditEntry

MOST_REPLACED = 12  # deliveries back
WORDS = {
    "approve": "Approved",
    "exclude": "Excluded",
    "defer": "Deferred to a later month",
    "undo": "Decision undone",
    "recheck": "Checked again by the review rules",
    "reattribute": "Payer changed",
    "choose_fund": "Account chosen",
    "correct": "Corrected after its month was finalized",
}
MOVES = ("reattribute", "choose_fund")
OFFICE = "the billing office"


@dataclass(frozen=True, slots=True)
class Decision:
    """`before` and `after`: what it changed, in words; of a payer “PI / project / fund”."""

    at: datetime
    action: str
    by: str
    before: str = ""
    after: str = ""
    reason: str = ""

    @property
    def what(self) -> str:
        return WORDS[self.action]

    def moved(self, part: int) -> bool:
        """Whether it named another PI (0), project (1) or fund (2)."""
        before, after = self.before.split(" / "), self.after.split(" / ")
        return self.action in MOVES and len(before) == len(after) == 3 and before[part] != after[part]  # noqa: PLR2004 - PI, project, fund

    def named_none(self, part: int) -> bool:
        """Whether there was none before."""
        return self.before.split(" / ")[part].startswith("no ")

    def for_payer(self) -> "Decision":
        """Names and notes of staff are for staff; what the PI's own side chose is theirs."""
        if self.action == "choose_fund":
            return self
        return replace(self, by=OFFICE, before="", after="", reason="")


def decisions(charge: Charge) -> list[Decision]:
    """Latest first."""
    replaced = _replaced(charge)
    keys = {charge.pk, *(old.pk for old in replaced)}
    alone = Q(subject_model=Charge._meta.label_lower, subject_id__in=keys)
    named = [Q(before__icontains=str(key)) for key in keys]  # the database looks for the digits, `_of` for the number
    among = Q(subject_model="", subject__endswith=" charges") & Q(period__in={charge.period_id}) & _any(named)
    entries = AuditEntry.objects.filter(alone | among, action__in=WORDS).select_related("by")
    return [decision for entry in entries if (decision := _of(entry, keys))]


def _of(entry: AuditEntry, keys: set[int]) -> Decision | None:
    told: dict[str, Any] = {
        "at": entry.at,
        "action": entry.action,
        "by": str(entry.by or "cron"),
        "reason": entry.reason,
    }
    if entry.action == "correct":
        return Decision(**told, before=entry.before.get("payer", ""), after=entry.after.get("payer", ""))
    before, after = _said(entry.before, keys), _said(entry.after, keys)
    return Decision(**told, before=before, after=after) if before or after else None


def _said(told: dict[str, Any], keys: set[int]) -> str:
    return next((words for words, charges in told.items() if keys & set(charges)), "")


def _replaced(charge: Charge) -> list[Charge]:
    return list(_back(charge))


def _back(charge: Charge) -> Iterator[Charge]:
    """The earlier deliveries of the row: what people decided about them holds for it."""
    for _ in range(MOST_REPLACED):
        old = charge.replaces
        if old is None:
            return
        yield old
        charge = old


def _any(conditions: list[Q]) -> Q:
    found = Q(pk=None)
    for condition in conditions:
        found |= condition
    return found
