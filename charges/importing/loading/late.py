"""Differences of a closed month, loaded into a later one that is open.

A row that is new comes as it is; one that changed as a reversal of what was billed and a rebill; one that
vanished as a reversal. The closed month keeps its bytes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Q

from charges.correcting.credited import Credits, Given, credited_on, told
from charges.correcting.grounds import month_of
from charges.correcting.reversing import BILLED, carried_to, reversal_of, with_copies
from charges.correcting.taking_back import in_words, taken_back_with
from charges.dividing import READ_WITH, SET_ASIDE, divide_decided
from charges.flags import Late
from charges.importing.holding.places import Place
from charges.importing.loading.batches import in_batches
from charges.importing.loading.decisions import DECIDED, PAYER, by_key
from charges.importing.loading.inheriting import carry_payer
from charges.importing.loading.standing import decided
from charges.models import Charge, FocusImport
from charges.rewriting import rewrite
from periods.models import BillingPeriod

Status = Charge.ReviewStatus


def reverse(focus_import: FocusImport, place: Place, left: Iterable[int], pairs: Mapping[int, int]) -> None:
    """Load a reversal of every charge that the month no longer holds; `pairs` are rebill → what it rebills.

    It is given back to whom it was billed to, in whatever month. What nobody was billed for gives way, as in an open one.
    """
    pairs = _as_carried(pairs)
    for charges in in_batches(left):
        gone = with_copies(charges.select_related("period", "pi__merged_into", "project__merged_into"))
        given = Credits(gone)
        way = {charge.pk for charge in gone if _gives_way(charge)}
        Charge.objects.filter(pk__in=way).update(superseded_by=focus_import)
        reversals = (_reversal(charge, focus_import, place, given) for charge in gone if charge.pk not in way)
        Charge.objects.bulk_create(reversals, batch_size=500)
    _carry_payers(pairs)
    _name_credits(pairs)
    _name_earlier(focus_import, place)
    for rows in in_batches(pairs):
        divide_decided(rows.select_related(*READ_WITH, "funding_account__merged_into"))


def _as_carried(pairs: Mapping[int, int]) -> dict[int, int]:
    """With the last copy in place of what was deferred: there people decided about it."""
    carried: dict[int, int] = {}
    for charges in in_batches(pairs.values()):
        carried |= carried_to(charges.filter(review_status=Status.DEFERRED).values_list("pk", flat=True))
    return {new: carried.get(old, old) for new, old in pairs.items()}


def _carry_payers(pairs: Mapping[int, int]) -> None:
    """Who pays by a reviewer's decision pays for the rebill too. All else is decided anew: the row is held as late."""
    by_old = {old: new for new, old in pairs.items()}
    for charges in in_batches(by_old):
        old_ones = list(decided(charges).prefetch_related(*PAYER))
        new_ones = by_key(by_old[old.pk] for old in old_ones)
        for old in old_ones:
            new = new_ones[by_old[old.pk]]
            delivered = new.pi_id, new.project_id
            carry_payer(old, new)
            if (new.pi_id, new.project_id) != delivered:  # then the next change follows that decision too
                new.decided_by_id, new.decided_at, new.decision_reason = (
                    old.decided_by_id, old.decided_at, old.decision_reason,
                )  # fmt: skip
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
            new, due = new_ones[by_old[pk]], told(given[pk], old)
            if new.review_status != Status.NOT_BILLABLE:  # nobody looks at it, so that it has no flag
                new.flags[Late.name] += f" {due} was credited on what it replaces: credit it again if that holds."
        rewrite(list(new_ones.values()), ("flags",))


def _name_earlier(focus_import: FocusImport, place: Place) -> None:
    """On a row that comes again, or anew: whether its reversal was left out, and what was credited on it until that."""
    rows = Charge.objects.filter(loaded_by=focus_import, kind=Charge.Kind.LATE, late_month=place.late_month)
    reversals = Charge.objects.current().filter(kind=Charge.Kind.REVERSAL, source=focus_import.source)
    earlier = reversals.exclude(late_month="").select_related("origin", "period").order_by("pk")
    again = rows.filter(identity_digest__in=earlier.order_by().values("identity_digest"))
    again = again.exclude(review_status=Status.NOT_BILLABLE)  # nobody looks at it, so that it has no flag
    for charges in in_batches(again.values_list("pk", flat=True)):
        returned = list(charges)
        identities = {charge.identity_digest for charge in returned}
        last = {found.identity_digest: found for found in earlier.filter(identity_digest__in=identities)}
        taken = taken_back_with(last.values())
        for charge in returned:
            charge.flags[Late.name] += _of_earlier(charge, last[charge.identity_digest], taken)
        rewrite(returned, ("flags",))


def _of_earlier(charge: Charge, reversal: Charge, taken: Mapping[int, list[Given]]) -> str:
    """In words, after a space; empty where there is nothing to decide about."""
    assert reversal.origin is not None
    if reversal.review_status == Status.EXCLUDED and reversal.origin.review_status in BILLED:
        return " Its reversal was excluded, so that it is billed already: approve one of the two."
    if charge.origin_id is None and (given := taken[reversal.pk]):
        return f" Before it was reversed, {told(given, reversal)} was credited on it: credit it again if that holds."
    return ""


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
    """Held, unless the charge was billed to nobody; of the month that billed it. What was credited on it is named."""
    reversal = reversal_of(charge)
    reversal.period, reversal.loaded_by = place.period, focus_import
    reversal.late_month = month_of(charge)
    if charge.review_status in BILLED:
        reversal.review_status, reversal.flags = Status.HELD, Late.of(place.late_month)
        reversal.flags[Late.name] += in_words(charge, given)
        reversal.decided_by_id = reversal.decided_at = None
        reversal.decision_reason = ""
    elif charge.review_status != Status.DIVIDED:  # what was billed to nobody is given back to nobody
        reversal.review_status = Status.NOT_BILLABLE
    return reversal


def _gives_way(charge: Charge) -> bool:
    """Undecided or set aside, where that can still change: nothing is billed for it, nor ever carried over."""
    is_unsealed = charge.period.state != BillingPeriod.State.FINALIZED
    return is_unsealed and charge.review_status in (Status.HELD, *SET_ASIDE)
