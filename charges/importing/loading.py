"""Makes a staged delivery current: one short transaction that supersedes, carries decisions over, and checks."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q, Sum

from charges.converting import convert, revert
from charges.funding import ProjectFunds
from charges.importing.comparing import BATCH, Comparison, in_batches
from charges.importing.snapshot import Old, pair
from charges.importing.staging import Place, Staging
from charges.importing.totals import short
from charges.models import Charge, FocusImport, ImportIssue, ImportScope, Source
from charges.money import ZERO, to_billionths
from charges.review import settle_payer_flags
from periods.errors import Refused
from periods.lifecycle import run_transition
from periods.models import BillingPeriod

Status = Charge.ReviewStatus
PAYER = ("pi", "project", "funding_account")
COLUMNS = {"BilledCost": "billed_cost", "EffectiveCost": "effective_cost", "ListCost": "list_cost"}
COLUMNS |= {"ContractedCost": "contracted_cost"}


class Overtaken(Refused):
    """Another delivery of the same months was loaded while this one was read."""


class TotalsDiffer(Refused):
    """What the database would hold is not what the file says; nothing was loaded."""


def current_deliveries(source: Source, periods: Iterable[BillingPeriod]) -> set[int]:
    """Loaded imports that speak for these months of the source."""
    scopes = ImportScope.objects.filter(
        focus_import__source=source,
        focus_import__kind=FocusImport.Kind.DELIVERY,
        focus_import__state=FocusImport.State.LOADED,
        period__in=list(periods),
    )
    return set(scopes.values_list("focus_import", flat=True))


@transaction.atomic
def load(staging: Staging, *, before: set[int], by: Any, force: bool) -> FocusImport:
    """`before` are the deliveries seen when reading began. Raises Overtaken, TotalsDiffer, Refused."""
    focus_import = staging.focus_import
    assert focus_import is not None
    comparison = Comparison(staging)
    periods = [BillingPeriod.objects.lock_open(place.period.pk) for place in comparison.places if place.period]
    if current_deliveries(staging.source, periods) - before:
        raise Overtaken(f"Another delivery of {staging.source} was loaded meanwhile. Run this one again.")
    _record_scopes(focus_import, comparison.places)
    _refuse_fall(comparison, force=force)
    _save_counts(comparison)
    for place in comparison.places:
        _supersede(staging, place, comparison.left[place.month])
    _replace_issues(focus_import, comparison.places)
    _check_totals(staging, comparison.places)
    return run_transition(focus_import, "load", by=by)


def _record_scopes(focus_import: FocusImport, places: list[Place]) -> None:
    ImportScope.objects.bulk_create(
        ImportScope(focus_import=focus_import, period=place.period, billing_account_id=account, rows=rows)
        for place in places
        for account, rows in place.accounts.items()
    )


def _refuse_fall(comparison: Comparison, *, force: bool) -> None:
    """A delivery that is suddenly much smaller is more often a broken export than a saving."""
    threshold = comparison.staging.source.fall_threshold
    if threshold is not None and not force and (sentence := comparison.fall(threshold)):
        raise Refused(f"{sentence} Use --force if that is right.")


def _supersede(staging: Staging, place: Place, left: list[Old]) -> None:
    for charges in in_batches(old.pk for old in left):
        charges.update(superseded_by=staging.focus_import)
    if not left:
        return
    new = Charge.objects.filter(loaded_by=staging.focus_import, period=place.period).order_by("pk")
    rows = new.values_list("identity_digest", "due_amount", "pk").iterator(chunk_size=BATCH)
    pairs = dict(pair(left, ((identity, to_billionths(due), pk) for identity, due, pk in rows)))
    for charges in in_batches(pairs):
        changed = list(charges)
        for charge in changed:
            charge.replaces_id = pairs[charge.pk]
        Charge.objects.bulk_update(changed, ["replaces"], batch_size=200)
    _carry_decisions(pairs, staging.source)


def _carry_decisions(pairs: dict[int, int], source: Source) -> None:
    """What people decided about a row holds for its changed form; an approval only if due hardly moved."""
    by_old = {old: new for new, old in pairs.items()}
    related = Charge.objects.select_related("period", "source", *PAYER)
    decided = ~Q(review_status__in=[Status.CLEAR, Status.HELD, Status.NOT_BILLABLE]) | Q(
        fund_step=Charge.FundStep.DECISION
    )
    for charges in in_batches(by_old):
        for old in charges.filter(decided | Q(decided_at__isnull=False)).select_related(*PAYER):
            new = related.get(pk=by_old[old.pk])
            if new.review_status != Status.NOT_BILLABLE:
                _carry(old, new, source)
                new.save()


def _carry(old: Charge, new: Charge, source: Source) -> None:
    has_moved = old.decided_at is not None and old.project is not None and old.project_id != new.project_id
    if old.decided_at:
        new.pi, new.project = old.pi or new.pi, old.project or new.project
    if old.fund_step == Charge.FundStep.DECISION:
        new.funding_account, new.fund_step = old.funding_account, old.fund_step
    elif has_moved and new.project:
        ProjectFunds(new.project).apply(new)
    settle_payer_flags(new)
    new.decided_by_id, new.decided_at, new.decision_reason = old.decided_by_id, old.decided_at, old.decision_reason
    if old.review_status in (Status.EXCLUDED, Status.DEFERRED):
        new.review_status = old.review_status
    elif old.review_status == Status.APPROVED:
        _carry_approval(old, new, source)


def _carry_approval(old: Charge, new: Charge, source: Source) -> None:
    """It holds while due hardly moves and nothing is lacking; amounts are compared in the month's currency."""
    is_complete = not new.missing and (not new.is_unconverted or convert(new))
    if is_complete and abs(new.due_amount - old.due_amount) <= source.approval_threshold:
        new.review_status = Status.APPROVED
        return
    new.flags["changed_after_approval"] = f"Due was {short(old.due_amount)} when it was approved."
    new.review_status = Status.HELD
    if new.exchange_rate_id:
        revert(new)


def _replace_issues(focus_import: FocusImport, places: list[Place]) -> None:
    """Quarantined rows of the deliveries that this one replaces need no decision any more."""
    for place in places:
        ImportIssue.objects.filter(
            period=place.period,
            billing_account_id__in=list(place.accounts),
            focus_import__source=focus_import.source,
            status=ImportIssue.Status.OPEN,
        ).exclude(focus_import=focus_import).update(status=ImportIssue.Status.REPLACED, replaced_by=focus_import)


def _check_totals(staging: Staging, places: list[Place]) -> None:
    """What these months now hold of the source is the file's loaded part, row by row and to the last digit."""
    found: dict[str, dict[str, Any]] = {}
    for place in places:
        for row in _sums(staging, place):
            sums = found.setdefault(row.pop("currency"), {"n": 0})
            for name, value in row.items():
                sums[name] = sums.get(name, 0) + (value or 0)
    if sum(sums["n"] for sums in found.values()) != staging.loaded:
        raise TotalsDiffer("The number of charges differs from the rows of the delivery; nothing was loaded.")
    for currency, totals in staging.totals.by_currency.items():
        for column, total in totals.items():
            held = found.get(currency, {}).get(COLUMNS[column], ZERO)
            if held != total.stored:
                raise TotalsDiffer(f"{column} adds up to {held} {currency}, the delivery to {total.stored}.")


def _sums(staging: Staging, place: Place) -> Any:
    """Without what another run of the same source is staging at this moment."""
    charges = Charge.objects.filter(
        Q(loaded_by__state=FocusImport.State.LOADED) | Q(loaded_by=staging.focus_import),
        superseded_by=None,
        source=staging.source,
        period=place.period,
        kind=Charge.Kind.DELIVERED,
        billing_account_id__in=list(place.accounts),
    )
    sums = {field: Sum(field) for field in COLUMNS.values()}
    return charges.order_by().values(currency=F("billing_currency")).annotate(n=Count("pk"), **sums)


def _save_counts(comparison: Comparison) -> None:
    staging, focus_import = comparison.staging, comparison.staging.focus_import
    assert focus_import is not None
    focus_import.added, focus_import.changed = comparison.added, comparison.changed
    focus_import.removed, focus_import.unchanged = comparison.removed, comparison.unchanged
    focus_import.rows, focus_import.loaded = staging.rows, staging.loaded
    focus_import.quarantined, focus_import.flagged = staging.quarantined, staging.flagged
    focus_import.totals, focus_import.change_set = staging.totals.as_text(), comparison.by_project
    focus_import.warnings = staging.warnings_in_words
    focus_import.save()
