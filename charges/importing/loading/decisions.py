"""What people decided about charges goes to the rows that take their place.

Before the delivery is loaded, a batch at a time. While it is, what was decided in between.
"""

from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from charges.dividing import divide_decided
from charges.importing.loading.asking import ask
from charges.importing.loading.batches import in_batches, in_turns
from charges.importing.loading.end_dates import by_days
from charges.importing.loading.inheriting import carry
from charges.importing.loading.standing import ASKED, ASKING, ONCE_DECIDED, STANDING, decided
from charges.models import Charge, FocusImport
from charges.review import BILLED_ELSEWHERE
from charges.rewriting import rewrite
from periods.blockers import counted
from periods.errors import Refused
from periods.models import BillingPeriod

Status, Kind = Charge.ReviewStatus, Charge.Kind
PAYER = ("pi__merged_into", "project__merged_into", "funding_account__merged_into")
DECIDED = (
    "pi", "project", "funding_account", "fund_step", "flags", "review_status", "decided_by", "decided_at",
    "decision_reason", "payer_before", "exchange_rate", "list_amount", "contracted_amount", "due_amount",
)  # fmt: skip
WRITTEN = [field.attname for field in Charge._meta.concrete_fields if field.name in DECIDED]
BATCH = 2000


@dataclass(frozen=True, slots=True)
class Heard:
    """Of a charge, or a part of its days, that somebody decided about."""

    of: int  # the charge
    moment: datetime | None
    is_asked: bool  # whether a question about it waits


class Before(NamedTuple):
    """A row as it was staged."""

    of: int  # the charge that it takes the place of, or a part of which it does
    values: list[Any]


@dataclass
class Succession:
    """Rows of an import that take the place of charges; all by their keys."""

    focus_import: FocusImport
    periods: Collection[int]  # open ones, of the rows
    pairs: Mapping[int, int]  # row → the charge of which the decision holds
    dropped: Collection[int] = ()  # charges that somebody decided about, and that no row replaces
    seen: Mapping[int, Heard] = field(default_factory=dict)
    before: dict[int, Before] = field(default_factory=dict)  # by row, where a decision changed it

    def carry(self) -> None:
        """Let decisions go to the rows, before they count."""
        self.seen = self._heard()
        self._carry(self.seen, self.seen.keys())

    def carry_rest(self) -> None:
        """What was decided since. Raises Refused where it is about a charge that no billed row replaces."""
        now = self._heard()
        changed = {heard.of for _, heard in self.seen.items() ^ now.items()}
        self._refuse_unfollowed(changed)
        self._take_back(changed)
        self._carry(now, {pk for pk, heard in now.items() if heard.of in changed})

    def _refuse_unfollowed(self, changed: Collection[int]) -> None:
        """Which rows are to be asked about such a charge was looked at before."""
        followed = {*self.pairs.values()} - self._unbilled(changed) | {*self.dropped}
        superseded = Charge.objects.filter(STANDING, superseded_by=self.focus_import)
        lines = superseded.order_by().values_list("pk", "kind", "origin")
        if new := {origin if kind == Kind.PART else pk for pk, kind, origin in lines} - followed:
            charges = counted(len(new), "charge", "charges")
            raise Refused(
                f"While this delivery was loaded, somebody decided about {charges} that it has no more. Run it again."
            )

    def _unbilled(self, charges: Collection[int]) -> set[int]:
        """Those of them of which nobody is billed for the row."""
        rows = {row: old for row, old in self.pairs.items() if old in charges}
        unbilled = (some.filter(review_status=Status.NOT_BILLABLE) for some in in_batches(rows))
        return {rows[pk] for some in unbilled for pk in some.values_list("pk", flat=True)}

    def _heard(self) -> dict[int, Heard]:
        """Charges, and parts of their days, about which somebody decided."""
        found = {}
        for charges in in_batches(set(self.pairs.values())):
            parts = Charge.objects.filter(kind=Kind.PART, origin__in=charges)
            for some, of in ((charges, "pk"), (parts, "origin")):
                heard = some.filter(ONCE_DECIDED | ASKED).values_list("pk", of, "decided_at", "review_status", "flags")
                for pk, charge, moment, status, flags in heard:
                    found[pk] = Heard(charge, moment, status == Status.HELD and not flags.keys().isdisjoint(ASKING))
        return found

    def _carry(self, heard: Mapping[int, Heard], those: Collection[int]) -> None:
        """What was decided about those of the charges and parts."""
        charges = {heard[pk].of for pk in those}
        pairs = {row: old for row, old in self.pairs.items() if old in charges}
        self._inherit({row: old for row, old in pairs.items() if old in those})
        carried, asked = by_days(pairs)  # after that: where another pays, other days may be divided
        self._inherit({part: old for part, old in carried.items() if old in those})
        waiting = {pk for pk in those if heard[pk].is_asked}
        ask({row: old for row, old in (pairs | carried).items() if old in waiting} | asked)

    def _inherit(self, pairs: Mapping[int, int]) -> None:
        heirs: dict[int, list[int]] = {}
        for row, old in pairs.items():
            heirs.setdefault(old, []).append(row)
        for charges in in_turns(heirs, BATCH):
            with transaction.atomic():
                self._lock()
                old_ones = {old.pk: old for old in decided(charges).prefetch_related(*PAYER)}
                new_ones = by_key(row for pk in old_ones for row in heirs[pk])
                changed = [new for new in new_ones.values() if new.review_status not in BILLED_ELSEWHERE]
                for new in changed:
                    was = old_ones[pairs[new.pk]]
                    values = [copy(getattr(new, name)) for name in WRITTEN]
                    self.before[new.pk] = Before(_line(was), values)
                    carry(was, new, self.focus_import.source)
                rewrite(changed, DECIDED)
                divide_decided(changed)

    def _take_back(self, charges: Collection[int]) -> None:
        """Their rows as they were staged."""
        staged = {row: before.values for row, before in self.before.items() if before.of in charges}
        for rows in in_batches(staged, BATCH):
            parts = Charge.objects.filter(kind=Kind.PART, origin__in=rows)  # none had any
            parts._raw_delete(parts.db)  # noqa: SLF001 - nothing refers to a staged row
            restored = list(rows)
            for row in restored:
                for name, value in zip(WRITTEN, staged[row.pk], strict=True):
                    setattr(row, name, value)
            rewrite(restored, DECIDED)

    def _lock(self) -> None:
        """A merge, too, changes who pays."""
        for pk in sorted(self.periods):
            BillingPeriod.objects.lock_open(pk)


def _line(charge: Charge) -> int:
    """The charge, or that of whose days it is a part."""
    return charge.origin_id if charge.kind == Kind.PART and charge.origin_id else charge.pk


def by_key(keys: Iterable[int]) -> dict[int, Charge]:
    charges = Charge.objects.prefetch_related("period", "source", *PAYER)
    return {charge.pk: charge for charge in charges.filter(pk__in=list(keys))}
