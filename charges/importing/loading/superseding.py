"""Rows of a snapshot take the place of those that are no more as they were; what people decided goes with them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, cast

from django.db import transaction
from django.db.models import Q, QuerySet

from charges.attribution.funding import ProjectFunds
from charges.attribution.undoing import remember
from charges.converting import convert, revert
from charges.dividing import divide_decided
from charges.flags import PAYER_FLAGS, ChangedAfterApproval, LikeDecided
from charges.importing.checking.totals import short
from charges.importing.holding.snapshot import Old, by_month
from charges.importing.loading.pairing import ASKED, ASKING, BATCH, decided, in_batches
from charges.models import Charge, FocusImport, Source
from charges.models.charge import SUPERSEDED
from charges.review import BILLED_ELSEWHERE, settle_payer_flags
from charges.rewriting import rewrite
from charges.sharing import is_shareable
from periods.models import BillingPeriod

Status = Charge.ReviewStatus
PAYER = ("pi__merged_into", "project__merged_into", "funding_account__merged_into")
DECIDED = (
    "pi", "project", "funding_account", "fund_step", "flags", "review_status", "decided_by", "decided_at",
    "decision_reason", "payer_before", "exchange_rate", "list_amount", "contracted_amount", "due_amount",
)  # fmt: skip


def announce(focus_import: FocusImport, period: BillingPeriod, left: Iterable[Old]) -> None:
    """Say of charges what will supersede them: they stay current until it is loaded.

    Others wait for a batch of them, not for a million. Raises PeriodNotOpen.
    """
    for charges in in_batches(sorted(old.pk for old in left)):
        with transaction.atomic():
            BillingPeriod.objects.lock_open(period.pk)  # nothing is loaded into it at this moment
            by_month(charges).filter(of_period=period.pk).exclude(SUPERSEDED).update(superseded_by=focus_import)


def supersede(focus_import: FocusImport, left: Sequence[Old]) -> None:
    """What was not announced: late rows in other months, and what another delivery was to supersede as well."""
    if not left:
        return
    if Charge.objects.filter(superseded_by=focus_import).count() != len(left):
        for charges in in_batches(old.pk for old in left):
            charges.exclude(superseded_by=focus_import).update(superseded_by=focus_import)
    parts = Charge.objects.filter(kind=Charge.Kind.PART, origin__superseded_by=focus_import)
    while parts.exclude(superseded_by=focus_import).update(superseded_by=focus_import):
        continue  # a reviewer may have moved a part into a project that ends within its days, a moment ago


def release(focus_import: FocusImport) -> None:
    """Take back what was announced of an import that is not loaded. Sealed charges keep what they say."""
    announced = Charge.objects.filter(superseded_by=focus_import)
    current = announced.exclude(SUPERSEDED | Q(period__state=BillingPeriod.State.FINALIZED)).order_by()
    while pks := list(current.values_list("pk", flat=True)[:BATCH]):
        announced.filter(pk__in=pks).update(superseded_by=None)


def take_place(focus_import: FocusImport, pairs: Mapping[int, int], returned: Collection[int]) -> None:
    """Let decisions go to new rows; `pairs` are key → key of the one that it replaces.

    Those of them that are `returned` were superseded by an earlier delivery.
    """
    keys = _keys(decided(Charge.objects.filter(superseded_by=focus_import)))
    asked = _keys(Charge.objects.filter(ASKED, superseded_by=focus_import))
    for charges in in_batches(returned):
        keys |= _keys(decided(charges)) | _keys(
            decided(Charge.objects.filter(kind=Charge.Kind.PART, origin__in=charges))
        )
        asked |= _keys(charges.filter(ASKED))
    for replaced in (pairs, _parts_in_place_of(focus_import, pairs)):
        carry_decisions({new: old for new, old in replaced.items() if old in keys}, focus_import.source)
        _ask_still({new: old for new, old in replaced.items() if old in asked})


def _keys(charges: QuerySet[Charge]) -> set[int]:
    return set(charges.order_by().values_list("pk", flat=True))


def _parts_in_place_of(focus_import: FocusImport, pairs: Mapping[int, int]) -> dict[int, int]:
    """New part → the part, or whole charge, that it replaces. `pairs` are new charge → the one that it replaces."""
    new = _by_origin(Charge.objects.filter(loaded_by=focus_import))
    replaced = {charge: pairs[charge] for charge in new if charge in pairs}
    old: dict[int, list[int]] = {}
    for charges in in_batches(replaced.values()):
        old |= _by_origin(Charge.objects.filter(origin__in=charges))
    return {
        part: earlier
        for charge, whole in replaced.items()
        for part, earlier in zip(new[charge], old.get(whole, [whole] * len(new[charge])), strict=False)
    }


def _by_origin(charges: QuerySet[Charge]) -> dict[int, list[int]]:
    """Parts, by what they are of, in the order of their days."""
    found: dict[int, list[int]] = {}
    # That they have an origin leads to its index: there are few, among many charges.
    parts = charges.filter(kind=Charge.Kind.PART, origin__isnull=False).order_by("charge_period_start", "pk")
    for pk, origin in parts.values_list("pk", "origin"):
        assert origin
        found.setdefault(origin, []).append(pk)
    return found


def carry_decisions(pairs: Mapping[int, int], source: Source) -> None:
    """What people decided about a row holds for its changed form; an approval only if due hardly moved."""
    by_old: dict[int, list[int]] = {}
    for key, old_key in pairs.items():
        by_old.setdefault(old_key, []).append(key)
    for charges in in_batches(by_old):
        changed = []
        old_ones = {old.pk: old for old in decided(charges).select_related(*PAYER)}
        new_ones = by_key(key for pk in old_ones for key in by_old[pk])
        for new in new_ones.values():
            old = old_ones[pairs[new.pk]]
            if new.review_status not in BILLED_ELSEWHERE:
                _carry(old, new, source)
                changed.append(new)
        rewrite(changed, DECIDED)
        divide_decided(changed)


def ask_again(alike: Mapping[int, int]) -> None:
    """Hold staged rows that are like a charge which people decided about, and parts of such rows.

    `alike` are key → key of that charge.
    """
    old_ones = {old.pk: old for charges in in_batches(set(alike.values())) for old in charges}
    for charges in in_batches(alike):
        parts = Charge.objects.filter(kind=Charge.Kind.PART, origin__in=charges)
        asked = {charge: old_ones[alike[charge.pk]] for charge in charges}
        asked |= {part: old_ones[alike[cast(int, part.origin_id)]] for part in parts}
        _hold({new: LikeDecided.of(_decision(old), old.decision_reason) for new, old in asked.items()})


def _ask_still(pairs: Mapping[int, int]) -> None:
    """What nobody answered about a charge is asked about its changed form; `pairs` are key → key that it replaces."""
    old_ones = {old.pk: old for charges in in_batches(pairs.values()) for old in charges}
    for charges in in_batches(pairs):
        flags = {new: old_ones[pairs[new.pk]].flags for new in charges}
        _hold({new: {name: why for name, why in old.items() if name in ASKING} for new, old in flags.items()})


def _hold(reasons: Mapping[Charge, dict[str, str]]) -> None:
    held = [charge for charge in reasons if charge.review_status in (Status.CLEAR, Status.HELD)]
    for charge in held:
        charge.flags |= reasons[charge]
        charge.review_status = Status.HELD
    with transaction.atomic():
        rewrite(held, ("flags", "review_status"))


def _decision(charge: Charge) -> str:
    is_moved = charge.review_status in (Status.CLEAR, Status.HELD)
    return "re-attributed" if is_moved else charge.get_review_status_display().lower()


def carry_payer(old: Charge, new: Charge) -> None:
    """Of a decided charge: who pays goes along as one, never a PI from here and a fund from there."""
    if old.payer_before:
        remember(new)
    if old.decided_at and _differs(old.pi, new.pi) | _differs(old.project, new.project):
        new.pi, new.project = _standing(old.pi, new.pi), _standing(old.project, new.project)
        if old.funding_account or old.fund_step == Charge.FundStep.SPLIT:
            _carry_fund(old, new)
        elif new.project:
            ProjectFunds(new.project).apply(new)
    elif old.fund_step == Charge.FundStep.DECISION:
        _carry_fund(old, new)
    settle_payer_flags(new)


def _carry_fund(old: Charge, new: Charge) -> None:
    new.funding_account, new.fund_step = _standing(old.funding_account, None), old.fund_step
    kept = {flag: why for flag, why in new.flags.items() if flag not in PAYER_FLAGS}
    new.flags = kept | {flag: why for flag, why in old.flags.items() if flag in PAYER_FLAGS}


def _standing(old: Any, new: Any) -> Any:
    """As it was decided, by the name that it goes by now."""
    return old.standing if old else new


def _differs(old: Any, new: Any) -> bool:
    return old is not None and old.standing != new


def by_key(keys: Iterable[int]) -> dict[int, Charge]:
    charges = Charge.objects.select_related("period", "source", *PAYER)
    return {charge.pk: charge for charge in charges.filter(pk__in=list(keys))}


def _carry(old: Charge, new: Charge, source: Source) -> None:
    carry_payer(old, new)
    new.decided_by_id, new.decided_at, new.decision_reason = old.decided_by_id, old.decided_at, old.decision_reason
    if old.review_status in (Status.EXCLUDED, Status.DEFERRED):
        new.review_status = old.review_status
    elif old.review_status in (Status.APPROVED, Status.SHARED):
        _carry_approval(old, new, source)


def _carry_approval(old: Charge, new: Charge, source: Source) -> None:
    """It holds while due hardly moves and nothing is lacking; amounts are compared in the month's currency."""
    is_shared = is_shareable(new)
    is_complete = (is_shared or not new.missing) and (not new.is_unconverted or convert(new))
    if is_complete and abs(new.due_amount - old.due_amount) <= source.approval_threshold:
        new.review_status = Status.SHARED if is_shared else Status.APPROVED
        return
    new.flags |= ChangedAfterApproval.because(f"Due was {short(old.due_amount)} when it was approved.")
    new.review_status = Status.HELD
    if new.exchange_rate_id:
        revert(new)
