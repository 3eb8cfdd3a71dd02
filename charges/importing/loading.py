"""Makes a staged delivery current: one short transaction that supersedes, carries decisions over, and checks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Case, Count, F, Q, QuerySet, Sum, Value, When

from charges.importing.snapshot import Old, pair
from charges.importing.staging import Place, ProjectDelta, Staging
from charges.importing.totals import short
from charges.models import Charge, FocusImport, ImportIssue, ImportScope, Source
from charges.money import ZERO
from charges.review import settle_payer_flags
from periods.errors import Refused
from periods.lifecycle import run_transition
from periods.models import BillingPeriod

Status = Charge.ReviewStatus
COLUMNS = {"BilledCost": "billed_cost", "EffectiveCost": "effective_cost", "ListCost": "list_cost"}
COLUMNS |= {"ContractedCost": "contracted_cost"}
BATCH = 5000


class Overtaken(Refused):
    """Another delivery of the same months was loaded while this one was read."""


class TotalsDiffer(Refused):
    """What the database would hold is not what the file says; nothing was loaded."""


def current_deliveries(source: Source, periods: Iterable[BillingPeriod]) -> set[int]:
    """Loaded imports that speak for these months of the source."""
    scopes = ImportScope.objects.filter(
        focus_import__source=source, focus_import__state=FocusImport.State.LOADED, period__in=list(periods)
    )
    return set(scopes.values_list("focus_import", flat=True))


@transaction.atomic
def load(staging: Staging, *, before: set[int], by: Any, force: bool) -> FocusImport:
    """`before` are the deliveries seen when reading began. Raises Overtaken, TotalsDiffer, Refused."""
    focus_import = staging.focus_import
    assert focus_import is not None
    places = [staging.places[month] for month in sorted(staging.places)]
    periods = [BillingPeriod.objects.lock_open(place.period.pk) for place in places if place.period]
    if current_deliveries(staging.source, periods) - before:
        raise Overtaken(f"Another delivery of {staging.source} was loaded meanwhile. Run this one again.")
    left = {place.month: list(place.snapshot.left(place.accounts)) for place in places}
    _record_scopes(focus_import, places)
    _refuse_fall(staging, left, force=force)
    for place in places:
        _supersede(staging, place, left[place.month])
    _replace_issues(focus_import, places)
    _check_totals(staging, places)
    _save_counts(staging)
    return run_transition(focus_import, "load", by=by)


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows against what the months held; the same numbers in a dry run as when loaded."""

    added: int
    changed: int
    removed: int
    unchanged: int


def counts(staging: Staging) -> Counts:
    changed = left = new = 0
    for place in staging.places.values():
        old = list(place.snapshot.left(place.accounts))
        changed += sum(1 for _ in pair(old, ((identity, 0) for identity in place.identities)))
        left += len(old)
        new += len(place.identities)
    return Counts(added=new - changed, changed=changed, removed=left - changed, unchanged=staging.unchanged)


def change_set(staging: Staging) -> list[dict[str, Any]]:
    """Per currency and project: rows new or changed, Δ list and Δ due against what the month holds; largest first."""
    deltas = {key: ProjectDelta(delta.rows, delta.list, delta.due) for key, delta in staging.deltas.items()}
    for place in staging.places.values():
        for charges in _batches(old.pk for old in place.snapshot.left(place.accounts)):
            rows = charges.annotate(c=_currency(place)).values_list("c", "project__code", "list_amount", "due_amount")
            for key, code, list_amount, due in rows:
                delta = deltas.setdefault((key, code or ""), ProjectDelta())
                delta.list -= list_amount
                delta.due -= due
    ordered = sorted(deltas.items(), key=lambda item: (-abs(item[1].due), -abs(item[1].list), item[0]))
    return [
        {"currency": currency, "project": code, "rows": d.rows, "list": short(d.list), "due": short(d.due)}
        for (currency, code), d in ordered
    ]


def _record_scopes(focus_import: FocusImport, places: list[Place]) -> None:
    ImportScope.objects.bulk_create(
        ImportScope(focus_import=focus_import, period=place.period, billing_account_id=account, rows=rows)
        for place in places
        for account, rows in place.accounts.items()
    )


def _refuse_fall(staging: Staging, left: dict[str, list[Old]], *, force: bool) -> None:
    """A delivery that is suddenly much smaller is more often a broken export than a saving."""
    threshold = staging.source.fall_threshold
    if threshold is None or force:
        return
    vanished = sum(len(old) for old in left.values())
    held = vanished + staging.unchanged
    fall = (vanished - sum(len(place.identities) for place in staging.places.values())) * 100
    if held and fall > threshold * held:
        raise Refused(f"The delivery has {fall // held} % fewer rows than the last one. Use --force if that is right.")
    _refuse_fall_of_total(staging, threshold)


def _refuse_fall_of_total(staging: Staging, threshold: int) -> None:
    deltas: dict[str, Decimal] = {}
    for row in change_set(staging):
        deltas[row["currency"]] = deltas.get(row["currency"], ZERO) + Decimal(row["due"])
    for currency, total in _held_totals(staging).items():
        fall = -deltas.get(currency, ZERO)
        if total > 0 and fall * 100 > threshold * total:
            raise Refused(
                f"The amount due falls by {short(fall)} of {short(total)} {currency}. Use --force if that is right."
            )


def _held_totals(staging: Staging) -> dict[str, Decimal]:
    """Due by currency, of the months and accounts that the delivery speaks for."""
    totals: dict[str, Decimal] = {}
    for place in staging.places.values():
        held = Charge.objects.current().filter(
            source=staging.source,
            period=place.period,
            kind=Charge.Kind.DELIVERED,
            billing_account_id__in=list(place.accounts),
        )
        for currency, due in held.annotate(c=_currency(place)).order_by().values_list("c").annotate(Sum("due_amount")):
            totals[currency] = totals.get(currency, ZERO) + due
    return totals


def _currency(place: Place) -> Case:
    """Once converted, a charge's amounts are in the month's currency."""
    return Case(When(exchange_rate=None, then="billing_currency"), default=Value(place.currency))


def _supersede(staging: Staging, place: Place, left: list[Old]) -> None:
    for charges in _batches(old.pk for old in left):
        charges.update(superseded_by=staging.focus_import)
    if not left:
        return
    new = Charge.objects.filter(loaded_by=staging.focus_import, period=place.period).order_by("identity_digest", "pk")
    pairs = dict(pair(left, new.values_list("identity_digest", "pk").iterator(chunk_size=BATCH)))
    for charges in _batches(pairs):
        changed = list(charges)
        for charge in changed:
            charge.replaces_id = pairs[charge.pk]
        Charge.objects.bulk_update(changed, ["replaces"], batch_size=200)
    _carry_decisions(pairs, staging.source)


def _carry_decisions(pairs: dict[int, int], source: Source) -> None:
    """What people decided about a row holds for its changed form; an approval only if due hardly moved."""
    by_old = {old: new for new, old in pairs.items()}
    decided = ~Q(review_status__in=[Status.CLEAR, Status.HELD, Status.NOT_BILLABLE]) | Q(
        fund_step=Charge.FundStep.DECISION
    )
    for charges in _batches(by_old):
        for old in charges.filter(decided | Q(decided_at__isnull=False)):
            new = Charge.objects.get(pk=by_old[old.pk])
            if new.review_status != Status.NOT_BILLABLE:
                _carry(old, new, source)
                new.save()


def _carry(old: Charge, new: Charge, source: Source) -> None:
    if old.decided_at:
        new.pi_id, new.project_id = old.pi_id or new.pi_id, old.project_id or new.project_id
    if old.fund_step == Charge.FundStep.DECISION:
        new.funding_account_id, new.fund_step = old.funding_account_id, old.fund_step
    settle_payer_flags(new)
    new.decided_by_id, new.decided_at, new.decision_reason = old.decided_by_id, old.decided_at, old.decision_reason
    if old.review_status in (Status.EXCLUDED, Status.DEFERRED):
        new.review_status = old.review_status
    elif old.review_status == Status.APPROVED and new.flags:
        moved = abs(new.due_amount - old.due_amount)
        if moved <= source.approval_threshold and _has_payer(new):
            new.review_status = Status.APPROVED
        else:
            new.flags["changed_after_approval"] = f"Due was {short(old.due_amount)} when it was approved."


def _has_payer(charge: Charge) -> bool:
    has_fund = not charge.due_amount or charge.funding_account_id or charge.fund_step == Charge.FundStep.SPLIT
    return bool(charge.pi_id and charge.project_id and has_fund)


def _replace_issues(focus_import: FocusImport, places: list[Place]) -> None:
    """Quarantined rows of the deliveries that this one replaces need no decision any more."""
    for place in places:
        earlier = ImportScope.objects.filter(
            focus_import__source=focus_import.source, period=place.period, billing_account_id__in=list(place.accounts)
        ).exclude(focus_import=focus_import)
        ImportIssue.objects.filter(
            period=place.period, focus_import__in=earlier.values("focus_import"), status=ImportIssue.Status.OPEN
        ).update(status=ImportIssue.Status.REPLACED)


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


def _save_counts(staging: Staging) -> None:
    focus_import = staging.focus_import
    assert focus_import is not None
    against = counts(staging)
    focus_import.added, focus_import.changed = against.added, against.changed
    focus_import.removed, focus_import.unchanged = against.removed, against.unchanged
    focus_import.rows, focus_import.loaded = staging.rows, staging.loaded
    focus_import.quarantined, focus_import.flagged = staging.quarantined, staging.flagged
    focus_import.totals, focus_import.change_set = staging.totals.as_text(), change_set(staging)
    focus_import.warnings = [f"{sentence} ({n}×)" if n > 1 else sentence for sentence, n in staging.warnings.items()]
    focus_import.save()


def _batches(pks: Iterable[int]) -> Iterator[QuerySet[Charge]]:
    batch: list[int] = []
    for pk in pks:
        batch.append(pk)
        if len(batch) == BATCH:
            yield Charge.objects.filter(pk__in=batch)
            batch = []
    if batch:
        yield Charge.objects.filter(pk__in=batch)
