"""Compares a delivery with what the month holds: which rows stay, which are changed, vanished or new.

Rows have no key in FOCUS, and equal rows are legal. So rows are counted, never de-duplicated: a row that is
delivered twice pairs with two. Only digests are in memory, some 20 bytes a row.
"""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from charges.flags import Divided
from charges.importing.checking.rows import Rows
from charges.importing.judging.allocations import keyed
from charges.models import Charge, FocusImport, ImportScope, Source
from charges.models.charge import ChargeQuerySet
from periods.models import BillingPeriod


class Taken(NamedTuple):
    """Rows, by their place in a block, that are here already and stay as they are; how many of them are held."""

    places: AbstractSet[int]
    held: int


def held_of(source: Source, period: BillingPeriod) -> ChargeQuerySet:
    """What a delivery of the source for this month is compared with: its rows there, and its later differences."""
    return in_effect(loaded_of(source), source, period.month, period.pk)


def loaded_of(source: Source, staged: FocusImport | None = None) -> ChargeQuerySet:
    """Current charges of a source, as they are once a staged import counts; the months of another are not read."""
    loaded = FocusImport.objects.filter(Q(state=FocusImport.State.LOADED) | Q(pk=staged and staged.pk))
    of_source = Charge.objects.filter(loaded_by__in=loaded.filter(source=source).values("pk"))
    return of_source.exclude(superseded_by__in=loaded.values("pk"))  # asked of few rows: a join would be of all


def deliveries_of(source: Source, period: BillingPeriod) -> QuerySet[FocusImport]:
    """Loaded imports that speak for the source's own rows of the month; none of a source that a dry run would make."""
    scopes = ImportScope.objects.filter(period=period, late_month="")
    return FocusImport.objects.loaded().filter(source=source.pk, pk__in=scopes.values("focus_import"))


def divided(source: Source, period: BillingPeriod) -> set[int]:
    """Keys of charges of the month that the provider has divided, or perhaps."""
    seen = Q(review_status=Charge.ReviewStatus.NOT_BILLABLE) & ~Q(due_amount=0) | Q(flags__has_key=Divided.name)
    return {key for _, key in keyed(Charge.objects.not_clear().filter(seen, source=source.pk, period=period))}


def by_month(charges: Any) -> Any:
    """With the period as a sum, `of_period`: by the index of payers, databases would read a large month at random."""
    return charges.alias(of_period=F("period_id") + 0)


def in_effect(charges: ChargeQuerySet, source: Source, month: str, period: int) -> ChargeQuerySet:
    """Of these charges, those that stand for the rows of a month, as delivered, late, or corrected; none reversed."""
    of_source = by_month(charges).filter(source=source)
    delivered = Q(kind=Charge.Kind.DELIVERED, of_period=period)
    if not charges.filter(late_month=month).exclude(late_month="").exists():
        return of_source.filter(delivered)
    reversals = charges.filter(kind=Charge.Kind.REVERSAL, origin=OuterRef("pk"))
    late = Q(kind__in=[Charge.Kind.LATE, Charge.Kind.REBILL], late_month=month)
    return of_source.filter(delivered | late, ~Exists(reversals))


class Snapshot:
    """Charges that a delivery is compared with, ordered by content."""

    def __init__(self, charges: ChargeQuerySet | None = None) -> None:
        self.contents, self.pks = array("q"), array("q")
        self.held = bytearray()
        self.accounts: dict[str, int] = {}
        self.account = array("i")
        if charges is not None:
            self._load(charges)
        self.taken = bytearray(len(self.pks))
        self.next: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.pks)

    def _load(self, charges: ChargeQuerySet) -> None:
        fields = ("content_digest", "pk", "billing_account_id", "review_status")
        for content, pk, account, status in (
            # Of equal ones, those stay that somebody decided about, the latest decisions first.
            charges.order_by("content_digest", F("decided_at").desc(nulls_last=True), "pk")
            .values_list(*fields)
            .iterator(chunk_size=5000)
        ):
            self.contents.append(content)
            self.pks.append(pk)
            self.account.append(self.accounts.setdefault(account, len(self.accounts)))
            self.held.append(status == Charge.ReviewStatus.HELD)

    def take(self, rows: Rows) -> Taken:
        """The rows that are equal to a charge which no other row took."""
        if not self.pks:
            return Taken(frozenset(), 0)
        found = {}
        for at, content in enumerate(rows.contents):
            index = self._take(content)
            if index is not None:
                found[at] = index
        return Taken(found.keys(), sum(self.held[index] for index in found.values()))

    def _take(self, content: int) -> int | None:
        index = self.next.get(content)
        if index is None:
            index = bisect_left(self.contents, content)
        if not self._has(index, content) or self.taken[index]:
            return None
        self.taken[index] = 1
        if content in self.next or self._has(index + 1, content):
            self.next[content] = index + 1
        return index

    def _has(self, index: int, content: int) -> bool:
        return index < len(self.contents) and self.contents[index] == content

    def replaced(self, accounts: Collection[str]) -> list[str]:
        """Accounts that a delivery of these takes the place of without naming them.

        An export that begins to name its accounts, or no longer does, is the same export: its rows would count twice.
        """
        if accounts and "" in self.accounts and "" not in accounts:
            return [""]
        return [*self.accounts] if {*accounts} == {""} and "" not in self.accounts else []

    def beside(self, accounts: Collection[str]) -> list[str]:
        """All accounts that are held, where a delivery names none of them."""
        return [] if self.accounts.keys() & {*accounts} else [*self.accounts]

    def left(self, accounts: Iterable[str]) -> "array[int]":
        """Keys of what the delivery speaks for and does not contain: changed or vanished."""
        covered = {self.accounts[account] for account in accounts if account in self.accounts}
        if not covered:  # asked of accounts that have none, for nearly every delivery
            return array("q")
        places = zip(self.pks, self.account, self.taken, strict=True)
        return array("q", (pk for pk, account, is_taken in places if not is_taken and account in covered))
