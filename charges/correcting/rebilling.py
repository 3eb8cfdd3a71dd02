"""Corrects charges of finalized months: a reversal that copies what was billed, and a rebill by what is right.

The original keeps its bytes; both new charges are loaded into an open month and linked to it. Where nobody pays,
the rebill is excluded: it stands for the delivered row, so that the row is not billed again when its file comes anew.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from charges.correcting.grounds import Grounds, require_grounds
from charges.correcting.reversing import lock_sources
from charges.correcting.righting import BILLED, Pair, Right, Righter, amounts_of, payer_of
from charges.models import Charge, Correction, FocusImport, ImportScope
from periods import audit, calendar
from periods.errors import Refused
from periods.lifecycle import require_permission
from periods.models import BillingPeriod

Status, Kind = Charge.ReviewStatus, Charge.Kind
CORRECTABLE = (*BILLED, Status.EXCLUDED)
MOST = 200  # charges at once: a person looks at each
RELATED = ("period", "source", "pi", "project__fallback_fund", "project__default_fund", "funding_account")


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be loaded, and where. The preview shows it, and loading does exactly that."""

    month: str
    currency: str
    grounds: Grounds
    pairs: list[Pair]

    @property
    def digest(self) -> str:
        """Tells whether it is still what a person looked at."""
        said = [
            (pair.original.pk, payer_of(pair.rebill), amounts_of(pair.rebill), pair.warnings, adjusted_by(pair))
            for pair in self.pairs
        ]
        return hashlib.sha256(repr((self.month, self.grounds, said)).encode()).hexdigest()


def originals_of(keys: Collection[int]) -> list[Charge]:
    """The charges to correct. Raises Refused unless each was billed in a finalized month and is not reversed yet."""
    if not 0 < len(keys) <= MOST:
        raise Refused(f"Choose the charges to correct, at most {MOST} at once.")
    charges = list(Charge.objects.current().select_related(*RELATED).filter(pk__in=keys).order_by("pk"))
    if len(charges) < len(set(keys)):
        raise Refused("A charge is not current: a later delivery replaced it, or it was never loaded.")
    reversals = Charge.objects.current().filter(kind=Kind.REVERSAL, origin__in=charges)
    reversed_by = {reversal.origin_id: reversal for reversal in reversals.select_related("loaded_by__source", "period")}
    for charge in charges:
        _require_correctable(charge, reversed_by.get(charge.pk))
    return charges


def months_after(charges: Collection[Charge]) -> list[str]:
    """The open months that may take the correction, the earliest first; where there is none, one that would be made."""
    latest = max(charge.period.month for charge in charges)
    later = BillingPeriod.objects.filter(month__gt=latest).order_by("month")
    found = list(later.filter(state=BillingPeriod.State.OPEN).values_list("month", flat=True))
    return found or [calendar.next_month(max([latest, *later.values_list("month", flat=True)]))]


def plan(keys: Collection[int], *, grounds: Grounds, right: Right, month: str = "") -> Plan:
    """What `correct` would load, without loading it. The earliest open later month takes it, unless one is named."""
    originals = originals_of(keys)
    grounds = require_grounds(grounds, originals)
    months = months_after(originals)
    month = month or months[0]
    if month not in months:
        raise Refused(f"{month} cannot take the correction: choose an open month after the charge's own.")
    currency = _common_currency(originals, month)
    righter = Righter(right, originals)
    return Plan(month, currency, grounds, [righter.pair(charge) for charge in originals])


@transaction.atomic
def correct(
    keys: Collection[int], *, grounds: Grounds, right: Right, month: str = "", shown: str = "", by: Any = None
) -> list[Correction]:
    """Load reversal and rebill of each charge, all or none. `shown` is the digest of the plan that a person saw."""
    require_permission(by, "charges.correct_charge", "correct finalized charges")
    lock_sources(Charge.objects.filter(pk__in=keys).order_by().values_list("source", flat=True).distinct())
    planned = plan(keys, grounds=grounds, right=right, month=month)
    if shown and shown != planned.digest:
        raise Refused("What would be loaded has changed meanwhile. Look at it again.")
    target, _ = BillingPeriod.objects.get_or_create(month=planned.month, defaults={"currency": planned.currency})
    target = BillingPeriod.objects.lock_open(target.pk)
    by_source: dict[int, list[Pair]] = defaultdict(list)
    for pair in planned.pairs:
        by_source[pair.original.source_id].append(pair)
    return [found for pairs in by_source.values() for found in _load(pairs, planned.grounds, target, by)]


def _require_correctable(charge: Charge, reversal: Charge | None) -> None:
    if charge.period.state != BillingPeriod.State.FINALIZED:
        raise Refused(f"{charge.period} is not finalized: decide about {charge} there, or adjust it.")
    if reversal and reversal.review_status == Status.EXCLUDED:
        raise Refused(
            f"A reversal of {charge} was excluded in {reversal.period}: undo that and approve it, or adjust the charge."
        )
    if reversal:
        raise Refused(
            f"{charge} is reversed already, in {reversal.period} by {reversal.loaded_by}: "
            "correct what was billed in its place."
        )
    if charge.kind == Kind.REVERSAL:
        raise Refused(f"{charge} is itself a reversal: correct what was billed in its place.")
    if charge.review_status == Status.SHARED:
        raise Refused(f"{charge} was divided among projects: adjust what is wrong in an open month.")
    if charge.review_status == Status.DIVIDED:
        raise Refused(f"{charge} was billed in parts: correct these.")
    if charge.review_status not in CORRECTABLE:
        raise Refused(f"{charge} is {charge.get_review_status_display().lower()}: its month billed nothing for it.")
    if charge.pi_id is None or charge.project_id is None:
        raise Refused(f"{charge} was never given a PI and a project: there is nothing to correct.")


def _common_currency(originals: list[Charge], month: str) -> str:
    """Stored figures are copied, never converted."""
    target = BillingPeriod.objects.filter(month=month).first()
    currencies = {charge.period.currency for charge in originals} | ({target.currency} if target else set())
    if len(currencies) > 1:
        raise Refused(f"The months are kept in {' and '.join(sorted(currencies))}: choose charges and a month of one.")
    return currencies.pop()


def _load(pairs: list[Pair], grounds: Grounds, target: BillingPeriod, by: Any) -> list[Correction]:
    """An import of one source."""
    now = timezone.now()
    loaded = FocusImport.objects.create(
        source=pairs[0].original.source, kind=FocusImport.Kind.CORRECTION, state=FocusImport.State.LOADED,
        created_by=by, loaded_at=now, rows=2 * len(pairs), loaded=2 * len(pairs), added=2 * len(pairs),
    )  # fmt: skip
    for copy in (copy for pair in pairs for copy in (pair.reversal, pair.rebill)):
        copy.period, copy.loaded_by = target, loaded
        copy.decided_by, copy.decided_at, copy.decision_reason = by, now, grounds.explanation
        copy.save()
    for adjustment in (adjustment for pair in pairs for adjustment in pair.adjustments):
        adjustment.period, adjustment.reason, adjustment.created_by = target, grounds.explanation, by
        adjustment.save()
    _record_scopes(loaded, pairs, target)
    return [_record(pair, grounds, target, by) for pair in pairs]


def adjusted_by(pair: Pair) -> list[str]:
    return [f"{one.description}: list {one.list_amount}, due {one.due_amount}" for one in pair.adjustments]


def _record_scopes(loaded: FocusImport, pairs: list[Pair], target: BillingPeriod) -> None:
    rows: dict[tuple[str, str], int] = defaultdict(int)
    for pair in pairs:
        rows[pair.rebill.late_month, pair.rebill.billing_account_id] += 2
    for (month, account), number in rows.items():
        ImportScope.objects.create(
            focus_import=loaded, period=target, late_month=month, billing_account_id=account, rows=number
        )


def _record(pair: Pair, grounds: Grounds, target: BillingPeriod, by: Any) -> Correction:
    correction = Correction.objects.create(
        period=target,
        original=pair.original,
        reversal=pair.reversal,
        rebill=pair.rebill,
        cause=grounds.cause,
        explanation=grounds.explanation,
        certifier=grounds.certifier,
        justification=grounds.justification,
        is_fund_certified=pair.is_fund_certified,
        created_by=by,
    )
    after: dict[str, Any] = {
        "payer": payer_of(pair.rebill),
        **amounts_of(pair.rebill),
        "cause": correction.get_cause_display(),
    }
    after |= {"certifier": grounds.certifier, "reversal": pair.reversal.pk, "rebill": pair.rebill.pk}
    after |= {"warnings": pair.warnings} if pair.warnings else {}
    after |= {"adjustments": adjusted_by(pair)} if pair.adjustments else {}
    audit.record(
        by=by,
        action="correct",
        subject=pair.original,
        period=target,
        before={"payer": payer_of(pair.original), **amounts_of(pair.original)},
        after=after,
        reason=grounds.explanation,
    )
    return correction
