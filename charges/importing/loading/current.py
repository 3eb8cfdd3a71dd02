"""Makes a staged delivery current: one short transaction that supersedes, carries decisions over, and checks."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum

from charges.correcting.reversing import lock_sources
from charges.importing.checking.totals import ControlTotals
from charges.importing.holding.appending import Ledger
from charges.importing.holding.places import Place
from charges.importing.holding.snapshot import by_month, in_effect, loaded_of
from charges.importing.judging.unusual import hold
from charges.importing.loading import late
from charges.importing.loading.asking import ask
from charges.importing.loading.batches import BATCH
from charges.importing.loading.comparing import Comparison
from charges.importing.loading.decisions import Succession
from charges.importing.loading.pairing import Heirs
from charges.importing.loading.superseding import announce, supersede
from charges.importing.recognising import refuse_other_source
from charges.importing.staging import Staging
from charges.importing.writing import link
from charges.models import Charge, FocusImport, ImportIssue, ImportScope, Source
from charges.money import ZERO
from periods.errors import Refused
from periods.lifecycle import run_transition
from periods.models import BillingPeriod

COLUMNS = {"BilledCost": "billed_cost", "EffectiveCost": "effective_cost", "ListCost": "list_cost"}
COLUMNS |= {"ContractedCost": "contracted_cost"}
SUMS = 400  # asked for at once: databases answer with some 2,000 columns at most
COPIED = (Charge.Kind.REVERSAL, Charge.Kind.PART)  # which are no row of a file


class Overtaken(Refused):
    """Another delivery of the same months was loaded while this one was read."""


class TotalsDiffer(Refused):
    """What the database would hold is not what the file says; nothing was loaded."""


def current_deliveries(source: Source, places: Iterable[Place] | None = None) -> set[int]:
    """Loaded imports of the source, corrections included; those alone that speak for these months."""
    scopes = ImportScope.objects.filter(
        focus_import__source=source,
        focus_import__kind__in=[FocusImport.Kind.DELIVERY, FocusImport.Kind.CORRECTION],
        focus_import__state=FocusImport.State.LOADED,
    )
    if places is not None:
        mine = [Q(late_month=p.late_month) if p.late_month else Q(period=p.period, late_month="") for p in places]
        scopes = scopes.filter(reduce(or_, mine, Q(pk=None)))
    return set(scopes.values_list("focus_import", flat=True))


def load(staging: Staging, *, before: set[int], by: Any, force: bool) -> FocusImport:
    """`before` are the deliveries seen when reading began. Raises Overtaken, TotalsDiffer, Refused.

    What can be worked out before the short transaction is: while it lasts, SQLite lets nobody else write.
    """
    comparison = Comparison(staging)
    _ = comparison.by_project, comparison.late_months  # remembered: reading what is left takes as long as there is
    for place in comparison.places:
        if staging.focus_import and place.period and (flags := comparison.unusual.get(place.month)):
            hold(staging.focus_import, place.period, flags)
    keys = {place.month: _linked(staging, place, comparison.heirs[place.month]) for place in comparison.places}
    for place in _open(comparison):
        if staging.focus_import and place.period:
            announce(staging.focus_import, place.period, comparison.left[place.month])
    succession = _succession(comparison, keys)
    succession.carry()
    return _make_current(comparison, keys, succession, before=before, by=by, force=force)


def _open(comparison: Comparison) -> list[Place]:
    """Places whose charges are superseded: those of a closed month are reversed instead."""
    return [place for place in comparison.places if not place.late_month]


def _succession(comparison: Comparison, keys: Mapping[str, Sequence[int]]) -> Succession:
    focus_import, places = comparison.staging.focus_import, _open(comparison)
    assert focus_import is not None
    heirs = {place.month: comparison.heirs[place.month] for place in places}
    return Succession(
        focus_import,
        {place.period.pk for place in places if place.period},
        earlier={old for found in heirs.values() for _, old in found.returned},
        lines={keys[month][at]: old for month, found in heirs.items() for at, old in found.lines.items()},
        dropped={pk for found in heirs.values() for pk in found.dropped},
    )


def _linked(staging: Staging, place: Place, heirs: Heirs) -> Sequence[int]:
    """The keys of staged rows, which now refer to the charges that they replace or rebill; of none where no row does."""
    links = [*heirs.links, *heirs.returned]
    if not links and not heirs.alike:
        return ()
    kind, field = (Charge.Kind.LATE, "origin") if place.late_month else (Charge.Kind.DELIVERED, "replaces")
    staged = by_month(Charge.objects.filter(loaded_by=staging.focus_import, late_month=place.late_month, kind=kind))
    new = staged.filter(of_period=place.period and place.period.pk)
    keys = array("q", new.order_by("pk").values_list("pk", flat=True).iterator())  # rows are written in their order
    ask({keys[at]: old for at, old in heirs.alike})
    for start in range(0, len(links), BATCH):
        with transaction.atomic():
            link(field, [(keys[at], old) for at, old in links[start : start + BATCH]])
    return keys


@transaction.atomic
def _make_current(
    comparison: Comparison,
    keys: Mapping[str, Sequence[int]],
    succession: Succession,
    *,
    before: set[int],
    by: Any,
    force: bool,
) -> FocusImport:
    staging, focus_import = comparison.staging, comparison.staging.focus_import
    assert focus_import is not None
    if any(place.late_month for place in comparison.places):
        lock_sources([staging.source.pk])  # a correction may reverse the same charges
        BillingPeriod.objects.lock_all_unsealed()  # where what nobody was billed for gives way
    for pk in sorted({place.period.pk for place in comparison.places if place.period}):
        BillingPeriod.objects.lock_open(pk)
    if current_deliveries(staging.source, comparison.places) - before:
        raise Overtaken(f"Another delivery of {staging.source} was loaded meanwhile. Run this one again.")
    refuse_other_source(staging.source, {file.sha256: Path(file.name) for file in focus_import.files.all()})
    _record_scopes(focus_import, comparison.places)
    _refuse_doubtful(comparison, force=force)
    supersede(focus_import, [comparison.left[place.month] for place in _open(comparison)])
    succession.carry_rest()
    for place in comparison.places:
        if place.late_month:
            rebills = {keys[place.month][at]: old for at, old in comparison.heirs[place.month].links}
            late.reverse(focus_import, place, comparison.left[place.month], rebills)
    _save_counts(comparison)
    _replace_issues(staging, comparison.places)
    _check_totals(staging, comparison.places)
    _discard_kept(focus_import, comparison, by=by)
    return run_transition(focus_import, "keep_late" if staging.places.are_all_kept else "load", by=by)


def _record_scopes(focus_import: FocusImport, places: list[Place]) -> None:
    ImportScope.objects.bulk_create(
        ImportScope(
            focus_import=focus_import,
            period=place.period,
            late_month=place.late_month,
            billing_account_id=account,
            rows=rows,
        )
        for place in places
        for account, rows in place.accounts.items()
    )


def _refuse_doubtful(comparison: Comparison, *, force: bool) -> None:
    """A delivery that is suddenly much smaller is more often a broken export than a saving."""
    if not force and (sentence := comparison.doubt):
        raise Refused(f"{sentence} Use --force if that is right.")


def _replace_issues(staging: Staging, places: list[Place]) -> None:
    """Quarantined rows of the deliveries that this one replaces need no decision any more; decisions go with it."""
    Status = ImportIssue.Status  # noqa: N806 - as the model's
    for place in places:
        earlier = _replaced_issues(staging, place)
        earlier.filter(status=Status.OPEN).update(status=Status.REPLACED, replaced_by=staging.focus_import)
        decided = earlier.filter(status__in=[Status.CORRECTED, Status.DISCARDED])
        decided.update(replaced_by=staging.focus_import)


def _replaced_issues(staging: Staging, place: Place) -> QuerySet[ImportIssue]:
    """Of the place's own month: the period may hold late rows of other months, for which it does not speak."""
    of_month = ImportIssue.objects.filter(
        _of_month(place.month), focus_import__source=staging.source, replaced_by=None
    ).exclude(focus_import=staging.focus_import)
    of_month = of_month.exclude(period__state=BillingPeriod.State.FINALIZED)  # whose rows are decided, and sealed
    if isinstance(place.holding, Ledger):
        again = ImportIssue.objects.filter(focus_import=staging.focus_import)
        mine = of_month.filter(billing_account_id__in=list(place.accounts))
        return mine.filter(raw_digest__in=list(again.values_list("raw_digest", flat=True)))
    # A row without shape may be of any account of its delivery: of one that is spoken for, when all of them are.
    others = ImportScope.objects.filter(_of_month(place.month)).exclude(billing_account_id__in=list(place.accounts))
    whole = ~Q(focus_import__in=others.values("focus_import"))
    return of_month.filter(Q(billing_account_id__in=list(place.accounts)) | Q(billing_account_id="") & whole)


def _of_month(month: str) -> Q:
    """Scopes and issues of a month, wherever they stand."""
    return Q(late_month=month) | Q(late_month="", period__month=month)


def _discard_kept(focus_import: FocusImport, comparison: Comparison, *, by: Any) -> None:
    """Files of a closed month that were kept have their say once its differences are loaded or kept anew."""
    places = comparison.staging.places.values()
    months = {place.late_month for place in places if place.late_month and not place.is_settled}
    kept = FocusImport.objects.filter(source=focus_import.source, state=FocusImport.State.LATE)
    for earlier in kept.exclude(pk=focus_import.pk):
        if {late["month"] for late in earlier.late_months} <= months:
            run_transition(earlier, "discard", by=by, reason=f"{focus_import} speaks for the same months")


def _check_totals(staging: Staging, places: list[Place]) -> None:
    """What is held after loading is the file's loaded part, row by row and to the last digit."""
    if staging.source.delivery == Source.Delivery.APPEND:
        added = Charge.objects.filter(loaded_by=staging.focus_import).exclude(kind__in=COPIED)
        _compare([added], staging.added_totals, sum(place.added for place in places))
    else:
        held = [_held(staging, place) for place in [*places, *staging.places.settled]]
        _compare(held, staging.totals, staging.loaded)


def _compare(held: Iterable[QuerySet[Charge]], expected: ControlTotals, rows: int) -> None:
    """One look at each row: databases that know nothing of new rows yet would sort them all to group by currency."""
    totals = [(currency, *item) for currency, columns in expected.by_currency.items() for item in columns.items()]
    held = list(held)
    for start in range(0, len(totals) or 1, SUMS):
        part = {f"sum_{at}": total for at, total in enumerate(totals[start : start + SUMS])}
        sums = {
            name: Sum(COLUMNS[column], filter=Q(billing_currency=currency))
            for name, (currency, column, _) in part.items()
        }
        found = [charges.order_by().aggregate(rows=Count("pk"), **sums) for charges in held]
        if sum(one["rows"] for one in found) != rows:
            raise TotalsDiffer("The number of charges differs from the rows of the delivery; nothing was loaded.")
        for name, (currency, column, total) in part.items():
            in_database = sum((one[name] or ZERO for one in found), ZERO)
            if in_database != total.stored:
                raise TotalsDiffer(f"{column} adds up to {in_database} {currency}, the delivery to {total.stored}.")


def _held(staging: Staging, place: Place) -> QuerySet[Charge]:
    """Of one month, with this delivery and without what another run of the source is staging at this moment."""
    month = BillingPeriod.objects.get(month=place.month)
    held = in_effect(loaded_of(staging.source, staging.focus_import), staging.source, place.month, month.pk)
    return held.filter(billing_account_id__in=list(place.accounts))


def _save_counts(comparison: Comparison) -> None:
    staging, focus_import = comparison.staging, comparison.staging.focus_import
    assert focus_import is not None
    focus_import.added, focus_import.changed = comparison.added, comparison.changed
    focus_import.removed, focus_import.unchanged = comparison.removed, comparison.unchanged
    focus_import.rows, focus_import.loaded = staging.rows, staging.loaded
    focus_import.quarantined, focus_import.flagged = staging.aside.quarantined, comparison.flagged
    focus_import.totals, focus_import.change_set = staging.totals.as_text(), comparison.by_project
    focus_import.late, focus_import.late_months = staging.late, comparison.late_months
    focus_import.late_to = staging.places.late_to or ""
    focus_import.settled_months = [place.month for place in staging.places.settled]
    focus_import.focus_version = ", ".join(staging.versions)
    focus_import.warnings = [*staging.remarks.sentences, *comparison.remarks, *comparison.replaced_accounts]
    focus_import.save()
