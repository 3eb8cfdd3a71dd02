"""What people decided about charges goes to the rows that take their place.

Before the delivery is loaded, a batch at a time. While it is, what was decided in between.
"""

from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from django.db import transaction

from charges.dividing import divide_decided
from charges.importing.loading.asking import ask
from charges.importing.loading.batches import in_batches, in_turns
from charges.importing.loading.end_dates import by_days
from charges.importing.loading.inheriting import carry
from charges.importing.loading.standing import ASKED, ASKING, ONCE_DECIDED, STANDING, decided, or_of_parts
from charges.models import Charge, FocusImport
from charges.models.charge import ChargeQuerySet
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
    earlier: Collection[int]  # charges that they replace, and that an earlier delivery superseded
    lines: Mapping[int, int | None]  # row → the charge of which the decision holds, where it is not that one
    dropped: Collection[int] = ()  # charges that somebody decided about, and that no row replaces
    only: Collection[int] | None = None  # these rows, of all
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

    def _heard(self) -> dict[int, Heard]:
        """Charges, and parts of their days, about which somebody decided."""
        superseded = Charge.objects.filter(superseded_by=self.focus_import).exclude(kind=Kind.PART)
        earlier = in_batches({*self.earlier, *filter(None, self.lines.values())})
        found: dict[int, Heard] = {}
        for charges in chain([superseded], earlier):
            found |= self._heard_of(charges, "pk")
            # Not by a join: without statistics, PostgreSQL would read all charges for it.
            divided = charges.filter(review_status=Status.DIVIDED).values_list("pk", flat=True)
            for some in in_batches(divided):
                found |= self._heard_of(Charge.objects.filter(kind=Kind.PART, origin__in=some), "origin")
        return found

    def _heard_of(self, charges: ChargeQuerySet, of: str) -> dict[int, Heard]:
        fields = ("pk", of, "decided_at", "review_status", "flags")
        return {
            pk: Heard(charge, moment, status == Status.HELD and not flags.keys().isdisjoint(ASKING))
            for pk, charge, moment, status, flags in charges.filter(ONCE_DECIDED | ASKED).values_list(*fields)
        }

    def _rows(self, charges: Collection[int]) -> dict[int, int]:
        """Those that take their place → the charge."""
        found: dict[int, int] = {row: charge for row, charge in self.lines.items() if charge and charge in charges}
        for some in in_batches(charges):
            # Of which import they are is looked at here: it would lead the database to another index.
            rows = Charge.objects.filter(replaces__in=some).values_list("pk", "replaces", "loaded_by")
            mine = (row for row in rows if row[2] == self.focus_import.pk and row[0] not in self.lines)
            found |= {row: charge for row, charge, _ in mine if charge}
        return found if self.only is None else {row: found[row] for row in self.only if row in found}

    def _refuse_unfollowed(self, charges: Collection[int]) -> None:
        """Rows that are to be asked about were looked for before."""
        rows = self._rows(charges)
        billed = (some.exclude(review_status=Status.NOT_BILLABLE) for some in in_batches(rows))
        followed = {rows[pk] for some in billed for pk in some.values_list("pk", flat=True)}
        unfollowed = in_batches({*charges} - followed - {*self.dropped})
        if new := sum(some.filter(or_of_parts(STANDING)).count() for some in unfollowed):
            raise Refused(
                f"While this delivery was loaded, somebody decided about {counted(new, 'charge', 'charges')} that it has "
                "no more. Run it again."
            )

    def _carry(self, heard: Mapping[int, Heard], those: Collection[int]) -> None:
        """What was decided about those of the charges and parts."""
        charges = {heard[pk].of for pk in those}
        pairs = self._rows(charges)
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
                    self.before.setdefault(new.pk, Before(_line(was), values))
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
