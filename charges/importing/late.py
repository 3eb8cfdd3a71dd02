"""Differences of a closed month, loaded into a later one that is open.

A row that is new comes as it is; one that changed as a reversal of what was billed and a rebill; one that
vanished as a reversal. The closed month keeps its bytes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Q

from charges.correcting.credited import Credits, credited_on, told
from charges.correcting.reversing import reversal_of
from charges.correcting.taking_back import in_words
from charges.dividing import with_parts
from charges.flags import Late
from charges.importing.comparing import in_batches
from charges.importing.places import Place
from charges.importing.snapshot import Old
from charges.importing.superseding import DECIDED, PAYER, by_key, carry_payer, decided
from charges.models import Charge, FocusImport
from charges.rewriting import rewrite

Status = Charge.ReviewStatus
UNBILLED = (Status.EXCLUDED, Status.NOT_BILLABLE, Status.DIVIDED)
SET_ASIDE = (Status.EXCLUDED, Status.DEFERRED)


def reverse(focus_import: FocusImport, place: Place, left: Iterable[Old], pairs: Mapping[int, int]) -> None:
    """Load a reversal of every charge that the month no longer holds; `pairs` are rebill → what it rebills."""
    for charges in in_batches(old.pk for old in left):
        gone = with_parts(charges.select_related("period", "pi__merged_into", "project__merged_into"))
        given = Credits(gone)
        reversals = (_reversal(charge, focus_import, place, given) for charge in gone)
        Charge.objects.bulk_create(reversals, batch_size=500)
    _carry_payers(pairs)
    _name_credits(pairs)
    _name_still_billed(focus_import, place)


def _carry_payers(pairs: Mapping[int, int]) -> None:
    """Who pays by a reviewer's decision pays for the rebill too. All else is decided anew: the row is held as late."""
    by_old = {old: new for new, old in pairs.items()}
    for charges in in_batches(by_old):
        old_ones = list(decided(charges).select_related(*PAYER))
        new_ones = by_key(by_old[old.pk] for old in old_ones)
        for old in old_ones:
            new = new_ones[by_old[old.pk]]
            carry_payer(old, new)
            if old.review_status in SET_ASIDE:
                word = old.get_review_status_display().lower()
                new.flags["late"] = f"{new.flags.get('late', '')} What it replaces is {word}: {old.decision_reason}"
        rewrite(list(new_ones.values()), DECIDED)


def _name_credits(pairs: Mapping[int, int]) -> None:
    """Whether a rebill is credited what its original was is a person's choice, as in a correction."""
    by_old = {old: new for new, old in pairs.items()}
    for charges in in_batches(by_old):
        given = credited_on(charges.filter(adjustments__isnull=False).values_list("pk", flat=True))
        old_ones = {old.pk: old for old in Charge.objects.filter(pk__in=given).select_related("period")}
        new_ones = by_key(by_old[old] for old in old_ones)
        for pk, old in old_ones.items():
            due = told(given[pk], old)
            new_ones[by_old[pk]].flags["late"] += (
                f" {due} was credited on what it replaces: credit it again if that holds."
            )
        rewrite(list(new_ones.values()), ("flags",))


def _name_still_billed(focus_import: FocusImport, place: Place) -> None:
    """Where a reviewer left a reversal out, what it would reverse is billed still: a row that comes again is no second."""
    left_out = Charge.objects.current().filter(kind=Charge.Kind.REVERSAL, review_status=Status.EXCLUDED)
    still_billed = left_out.filter(late_month=place.late_month).exclude(origin__review_status__in=UNBILLED)
    rows = Charge.objects.filter(loaded_by=focus_import, kind=Charge.Kind.LATE, late_month=place.late_month)
    again = rows.filter(identity_digest__in=still_billed.values("origin__identity_digest"))
    for charges in in_batches(again.values_list("pk", flat=True)):
        told = list(charges)
        for charge in told:
            charge.flags[Late.name] += (
                " Its reversal was excluded, so that it is billed already: approve one of the two."
            )
        rewrite(told, ("flags",))


def not_loaded(month: str) -> list[dict[str, Any]]:
    """What the latest late files of each source would change in a month: entries of `late_months`, with the source."""
    found = []
    kept = FocusImport.objects.filter(state__in=[FocusImport.State.LATE, FocusImport.State.LOADED], late__gt=0)
    done: set[int] = set()
    for focus_import in kept.select_related("source").order_by("-pk"):
        entries = [late for late in focus_import.late_months if late["month"] == month and not late["to"]]
        if entries and focus_import.source_id not in done:
            done.add(focus_import.source_id)
            if not _is_answered(focus_import, month):
                found += [{**late, "source": focus_import.source.name} for late in entries]
    return found


def _is_answered(kept: FocusImport, month: str) -> bool:
    """Whether a later delivery spoke for the month: its differences are loaded, or there is none any more."""
    deliveries = FocusImport.objects.loaded().filter(kind=FocusImport.Kind.DELIVERY)
    later = deliveries.filter(source=kept.source_id, pk__gt=kept.pk)
    of_month = Q(scopes__late_month=month) | Q(scopes__late_month="", scopes__period__month=month)
    settled = (months for months in later.values_list("settled_months", flat=True))
    return later.filter(of_month).exists() or any(month in months for months in settled)


def _reversal(charge: Charge, focus_import: FocusImport, place: Place, given: Credits) -> Charge:
    """Held, unless the charge was billed to nobody; what was credited on it is named."""
    reversal = reversal_of(charge)
    reversal.period, reversal.loaded_by = place.period, focus_import
    reversal.late_month = place.late_month
    if charge.review_status not in UNBILLED:  # what was billed to nobody is given back to nobody
        reversal.review_status, reversal.flags = Status.HELD, Late.of(place.late_month)
        reversal.flags[Late.name] += in_words(charge, given)
        reversal.decided_by_id = reversal.decided_at = None
        reversal.decision_reason = ""
    return reversal
