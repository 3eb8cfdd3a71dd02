"""Gives a delivery up: a staged one before it counted, the latest one after."""

from typing import Any

from django.db import transaction
from django.db.models import ProtectedError

from charges.correcting.taking_back import withdraw_from
from charges.importing.liveness import is_running
from charges.importing.loading.superseding import release
from charges.importing.recognising import follower
from charges.models import Charge, FocusImport, ImportIssue, ImportScope, Source
from periods.errors import Refused
from periods.lifecycle import require_reason, run_transition
from periods.models import BillingPeriod


def discard(focus_import: FocusImport, *, by: Any = None, reason: str = "") -> FocusImport:
    """Give a staged import up: its rows never counted. The received file is kept."""
    if is_running(focus_import):
        raise Refused(f"{focus_import} is being read at this moment: wait for it, or end its process.")
    release(focus_import)
    return _discard(focus_import, by=by, reason=reason)


@transaction.atomic
def _discard(focus_import: FocusImport, *, by: Any = None, reason: str) -> FocusImport:
    discarded = run_transition(focus_import, "discard", by=by, reason=reason)
    months = set(Charge.objects.filter(loaded_by=discarded).order_by().values_list("period", flat=True).distinct())
    months |= set(ImportIssue.objects.filter(focus_import=discarded).values_list("period", flat=True))
    staged = Charge.objects.filter(loaded_by=discarded)
    staged._raw_delete(staged.db)  # noqa: SLF001 - nothing refers to a staged row; `delete()` would load them all
    ImportIssue.objects.filter(focus_import=discarded).delete()
    _forget_months(months)
    return discarded


def why_not_reversed(focus_import: FocusImport) -> str:
    """A sentence; empty where nothing but its months' states or a permission may stand in the way."""
    if focus_import.kind == FocusImport.Kind.CORRECTION:
        return f"{focus_import} corrects finalized charges: correct what it billed in their place instead."
    if focus_import.kind != FocusImport.Kind.DELIVERY:
        return f"{focus_import} carries deferred charges over: defer or exclude them instead."
    if later := follower(focus_import):
        return f"Only the latest delivery can be reversed; {focus_import} was followed by {later}."
    return ""


@transaction.atomic
def reverse(focus_import: FocusImport, *, reason: str, by: Any = None) -> FocusImport:
    """Take the latest delivery of its months back: what it superseded is current again, and undecided again."""
    scopes = ImportScope.objects.filter(focus_import=focus_import)
    for pk in sorted(set(scopes.values_list("period", flat=True))):
        BillingPeriod.objects.lock_open(pk)
    superseded = Charge.objects.filter(superseded_by=focus_import)
    for pk in sorted(set(superseded.order_by().values_list("period", flat=True).distinct())):
        BillingPeriod.objects.lock_unsealed(pk)
    if sentence := why_not_reversed(focus_import):
        raise Refused(sentence)
    reversed_import = run_transition(focus_import, "reverse", by=by, reason=require_reason(reason))
    superseded.update(superseded_by=None)
    withdraw_from(Charge.objects.filter(loaded_by=focus_import, kind=Charge.Kind.REVERSAL).values_list("pk", flat=True))
    issues = ImportIssue.objects.all()
    undecided = issues.filter(
        focus_import=focus_import, status__in=[ImportIssue.Status.OPEN, ImportIssue.Status.CORRECTED]
    )
    undecided.update(status=ImportIssue.Status.REPLACED)
    replaced = issues.filter(replaced_by=focus_import).exclude(period__state=BillingPeriod.State.FINALIZED)
    replaced.filter(status=ImportIssue.Status.REPLACED).update(status=ImportIssue.Status.OPEN)
    replaced.update(replaced_by=None)
    return reversed_import


def clear_dead(source: Source) -> None:
    """What a killed process left behind counts for nothing, and would only keep the month from closing."""
    for staged in FocusImport.objects.filter(source=source, state=FocusImport.State.STAGED):
        if not is_running(staged):
            throw_away(staged, "its process died")


def throw_away(focus_import: FocusImport, reason: str) -> None:
    """Nothing of a failed run stays but the received file and the record that it came."""
    focus_import = FocusImport.objects.get(pk=focus_import.pk)
    if focus_import.state == FocusImport.State.STAGED:
        release(focus_import)
        with transaction.atomic():
            again = FocusImport.objects.select_for_update().get(pk=focus_import.pk)
            if again.state == FocusImport.State.STAGED:  # another run may clear up the same
                _discard(again, reason=reason)


def _forget_months(months: set[int]) -> None:
    """A month that only the discarded rows named was never there."""
    for period in BillingPeriod.objects.filter(pk__in=months, state=BillingPeriod.State.OPEN):
        if not ImportScope.objects.filter(period=period).exists():
            try:
                with transaction.atomic():
                    period.delete()
            except ProtectedError:  # something else refers to it already
                continue
