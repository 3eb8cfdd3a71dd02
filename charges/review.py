"""Decisions on charges: approve, exclude, defer, say who pays; one charge or thousands, each batch with its reason."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Q
from django.utils import timezone

from charges.attribution.funding import ProjectFunds, require_standing
from charges.attribution.undoing import Restorer, remember
from charges.converting import convert, revert
from charges.correcting.reversing import reversals_of
from charges.correcting.taking_back import follow
from charges.dividing import divide_decided
from charges.flags import PAYER_FLAGS
from charges.models import Charge, FocusImport, FundingAccount, PrincipalInvestigator, Project
from charges.models.charge import ChargeQuerySet
from charges.rewriting import rewrite
from charges.sharing import SHAREABLE, is_shareable
from periods import audit
from periods.duties import IMPORTING
from periods.errors import Refused
from periods.lifecycle import require_permission, require_reason
from periods.models import BillingPeriod

Status = Charge.ReviewStatus
UNDECIDED = (Status.CLEAR, Status.HELD, Status.SHARED)
DECIDED = (Status.APPROVED, Status.EXCLUDED, Status.DEFERRED)
BILLED_ELSEWHERE = (Status.NOT_BILLABLE, Status.DIVIDED)
COPIED = (Charge.Kind.REVERSAL, Charge.Kind.REBILL)  # their amounts are those of their original, not of a file
BATCH = 500
LACKS_PAYER = (
    Q(pi=None) | Q(project=None) | (~Q(due_amount=0) & Q(funding_account=None) & ~Q(fund_step=Charge.FundStep.SPLIT))
)  # as Charge.missing tells of one


def approve(charges: ChargeQuerySet, *, by: Any = None, reason: str = "", seen: str = "") -> int:
    """Held charges go onto the statement. Refused, all of them, while one lacks a payer or an exchange rate."""
    require_permission(by, "charges.review_charge", "approve charges")
    held = charges.filter(review_status=Status.HELD)
    _require_payers(held)
    return _decide(held, "approve", by=by, reason=reason, change=_approve, shown=(charges, seen))


def exclude(charges: ChargeQuerySet, *, reason: str, by: Any = None, seen: str = "") -> int:
    """Billed to nobody; can be undone until the month is finalized."""
    return _set_aside(charges, "exclude", Status.EXCLUDED, by=by, reason=reason, seen=seen)


def defer(charges: ChargeQuerySet, *, reason: str, by: Any = None, seen: str = "") -> int:
    """Unbilled in its month; finalizing carries it into the earliest later open one."""
    return _set_aside(charges, "defer", Status.DEFERRED, by=by, reason=reason, seen=seen)


@transaction.atomic
def undo(charges: ChargeQuerySet, *, by: Any = None, reason: str = "", seen: str = "") -> int:
    """Back to undecided, held where there are flags; of what is undecided, back to who paid before a person said so."""
    require_permission(by, "charges.review_charge", "undo decisions on charges")
    moved = charges.filter(review_status__in=UNDECIDED, payer_before__isnull=False)
    number = _give_back(moved, by=by, reason=reason, shown=(charges, seen)) if moved.exists() else 0
    decided = Q(review_status__in=DECIDED) | Q(review_status=Status.SHARED, decided_at__isnull=False)
    shown = (charges, "" if number else seen)
    return number + _decide(charges.filter(decided), "undo", by=by, reason=reason, change=_reset, shown=shown)


def _give_back(charges: ChargeQuerySet, *, by: Any, reason: str, shown: tuple[ChargeQuerySet, str]) -> int:
    require_permission(by, "charges.reattribute_charge", "say who pays for charges")
    restorer = Restorer()

    def change(charge: Charge) -> None:
        restorer.restore(charge)
        put_by_flags(charge)

    return _decide(charges, "undo", by=by, reason=reason, change=change, describe=_payer, shown=shown)


@transaction.atomic
def reattribute(
    charges: ChargeQuerySet,
    *,
    reason: str,
    by: Any = None,
    pi: PrincipalInvestigator | None = None,
    project: Project | None = None,
    funding_account: FundingAccount | None = None,
    seen: str = "",
) -> int:
    """Say who pays; what is not named stays. Flags about the payer fall away where the answer settles them.

    What runs past the end of the project that is named is divided there.
    """
    require_permission(by, "charges.reattribute_charge", "say who pays for charges")
    if not (pi or project or funding_account):
        raise Refused("Name a PI, a project or a funding account.")
    require_standing(pi, project, funding_account)

    funds = ProjectFunds(project) if project and not funding_account else None
    moved: list[Charge] = []

    def change(charge: Charge) -> None:
        remember(charge)
        has_moved = project is not None and charge.project_id != project.pk
        charge.pi, charge.project = pi or charge.pi, project or charge.project
        if funding_account:
            charge.funding_account, charge.fund_step = funding_account, Charge.FundStep.DECISION
        elif funds and has_moved:
            funds.apply(charge)
            moved.append(charge)
        settle_payer_flags(charge)
        if charge.review_status == Status.APPROVED and charge.missing:
            _reset(charge)

    billable = charges.exclude(review_status__in=BILLED_ELSEWHERE)
    number = _decide(
        billable,
        "reattribute",
        by=by,
        reason=require_reason(reason),
        change=change,
        describe=_payer,
        shown=(charges, seen),
    )
    divide_decided(moved)
    return number


def seen_of(charges: ChargeQuerySet) -> str:
    """What a page shows of charges, to give back as `seen`: a decision on what has changed since is refused."""
    found = charges.aggregate(number=Count("pk"), latest=Max("decided_at"))
    return f"{found['number']} {found['latest'] or 'undecided'}"


def choose_fund(charges: ChargeQuerySet, *, funding_account: FundingAccount, reason: str, by: Any) -> int:
    """What PIs decide of their own charges. The caller has checked that they may, and that the account is theirs."""
    require_standing(funding_account)

    def change(charge: Charge) -> None:
        remember(charge)
        charge.funding_account, charge.fund_step = funding_account, Charge.FundStep.DECISION

    reason = require_reason(reason)
    return _decide(charges, "choose_fund", by=by, reason=reason, change=change, describe=_payer, shown=(charges, ""))


def settle_payer_flags(charge: Charge) -> None:
    """Drop the flags that a named payer answers; without any flag left a held charge is clear."""
    answers = {
        "missing_pi": charge.pi_id is not None,
        "missing_project": charge.project_id is not None,
        **dict.fromkeys(PAYER_FLAGS, charge.fund_step == Charge.FundStep.DECISION),
    }
    charge.flags = {flag: why for flag, why in charge.flags.items() if not answers.get(flag)}
    if charge.review_status in UNDECIDED:
        if charge.review_status == Status.SHARED:
            name_what_lacks(charge)
        charge.review_status = Status.HELD if charge.flags else Status.CLEAR


def _require_other_than_importer(charges: ChargeQuerySet, by: Any) -> None:
    IMPORTING.require_person(by)
    if IMPORTING.are_separate and (number := _imported_by(by, charges)):
        IMPORTING.require_other(by, than=by.pk, what=f"imported {number:,} of these charges")


def _imported_by(by: Any, charges: ChargeQuerySet) -> int:
    """Of charges carried over from an earlier month, who imported the original counts, not who finalized that month."""
    number = charges.filter(loaded_by__kind=FocusImport.Kind.DELIVERY, loaded_by__created_by=by).count()
    carried = charges.filter(loaded_by__kind=FocusImport.Kind.CARRIED).order_by()
    originals = Charge.objects.filter(pk__in=carried.values("origin"))
    return number + _imported_by(by, originals) if carried.exists() else number


def name_what_lacks(charge: Charge) -> None:
    """As an import does. A shared cost has no such flag until somebody has named half of its payer."""
    for name in charge.missing:
        charge.flags.setdefault(f"missing_{name.lower()}", f"Nothing names a {name}.")


def _set_aside(
    charges: ChargeQuerySet, action: str, status: Charge.ReviewStatus, *, by: Any, reason: str, seen: str
) -> int:
    require_permission(by, "charges.review_charge", f"{action} charges")

    def change(charge: Charge) -> None:
        charge.review_status = status

    settable = charges.filter(review_status__in=[*UNDECIDED, *DECIDED]).exclude(review_status=status)
    return _decide(settable, action, by=by, reason=require_reason(reason), change=change, shown=(charges, seen))


def _require_payers(charges: ChargeQuerySet) -> None:
    """Of several, say at once how many lack one, so that all can be mended before the next try."""
    current = charges.current()
    number, lacking = current.count(), current.filter(LACKS_PAYER).exclude(*SHAREABLE).order_by("pk")
    first = lacking.first()
    if first and number > 1:
        raise Refused(
            f"{lacking.count()} of {number} charges lack a PI, project or fund. The first: {_without(first)}; "
            "say who pays before they are approved."
        )


def _without(charge: Charge) -> str:
    return f"{_named(charge)} has no {' and no '.join(charge.missing)}"


def _named(charge: Charge) -> str:
    name = charge.resource_name or charge.resource_id or charge.charge_description or charge.service_name
    return f"{name} ({charge})" if name else str(charge)


def _approve(charge: Charge) -> None:
    is_shared = is_shareable(charge)
    if charge.missing and not is_shared:
        raise Refused(f"{_without(charge)}: say who pays before it is approved.")
    if charge.is_unconverted and not convert(charge):
        raise Refused(
            f"{_named(charge)} is in {charge.billing_currency}: enter the exchange rate of {charge.source} for {charge.period}."
        )
    charge.review_status = Status.SHARED if is_shared else Status.APPROVED


def _reset(charge: Charge) -> None:
    if charge.exchange_rate_id and charge.kind not in COPIED:
        revert(charge)
    put_by_flags(charge)


def put_by_flags(charge: Charge) -> None:
    """As an import would: held where there are flags."""
    is_shared = is_shareable(charge)
    if not is_shared:
        name_what_lacks(charge)
    charge.review_status = Status.HELD if charge.flags else Status.SHARED if is_shared else Status.CLEAR


def _status(charge: Charge) -> str:
    return charge.review_status


def _payer(charge: Charge) -> str:
    pi = charge.pi.email if charge.pi else "no PI"
    project = charge.project.code if charge.project else "no project"
    fund = "split" if charge.fund_step == Charge.FundStep.SPLIT else charge.funding_account or "no fund"
    return f"{pi} / {project} / {fund}"


CHANGED = [
    "review_status", "flags", "decided_by", "decided_at", "decision_reason", "pi", "project", "funding_account",
    "fund_step", "payer_before", "exchange_rate", "list_amount", "contracted_amount", "due_amount",
]  # fmt: skip


@transaction.atomic
def _decide(
    charges: ChargeQuerySet,
    action: str,
    *,
    by: Any,
    reason: str,
    change: Callable[[Charge], None],
    shown: tuple[ChargeQuerySet, str],
    describe: Callable[[Charge], str] = _status,
) -> int:
    """Lock the months, change every current charge that matches, and write one audit entry a month.

    The entry lists the charges by what `describe` says of them before and after.
    """
    _require_other_than_importer(charges.current(), by)
    if charges.current().filter(loaded_by__kind=FocusImport.Kind.CORRECTION).exists():
        raise Refused("Reversals and rebills of a certified correction are no matter of review.")
    months = charges.current().order_by("period").values_list("period", flat=True).distinct()
    for pk in sorted(set(months)):
        BillingPeriod.objects.lock_unsealed(pk)
    _require_as_seen(*shown)
    _require_unreversed(charges)
    pks = list(charges.current().order_by("period", "pk").values_list("period", "pk"))
    for period, group in groupby(pks, key=lambda pair: pair[0]):
        _decide_month(period, [pk for _, pk in group], action, by=by, reason=reason, change=change, describe=describe)
    return len(pks)


def _require_unreversed(charges: ChargeQuerySet) -> None:
    """A reversal copies what was billed, and to whom: its original stands still from then on."""
    reversals = reversals_of(charges.current().order_by()).select_related("origin", "period")
    if reversal := reversals.order_by("pk").first():
        raise Refused(
            f"{_named(reversal.origin)} was reversed by a late delivery: decide about its reversal in {reversal.period}, "
            f"{reversal}."
        )


def _require_as_seen(charges: ChargeQuerySet, seen: str) -> None:
    """Asked under the lock: of two who decide at once, the second is told."""
    if not seen or seen_of(charges) == seen:
        return
    latest = charges.exclude(decided_at=None).select_related("decided_by").order_by("decided_at").last()
    who = (
        f"{latest.decided_by or 'Cron'} decided on {_named(latest)}" if latest else "Somebody decided on these charges"
    )
    raise Refused(f"{who} while you looked at it. Nothing of yours was saved: look again.")


def _decide_month(
    period: int,
    pks: list[int],
    action: str,
    *,
    by: Any,
    reason: str,
    change: Callable[[Charge], None],
    describe: Callable[[Charge], str],
) -> None:
    before, after = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for batch in _loaded(pks):
        for charge in batch:
            before[describe(charge)].append(charge.pk)
            change(charge)
            after[describe(charge)].append(charge.pk)
            charge.decided_by, charge.decided_at, charge.decision_reason = by, timezone.now(), reason
        rewrite(batch, CHANGED)
        follow(batch, by=by)
    audit.record(
        by=by,
        action=action,
        subject=Charge.objects.get(pk=pks[0]) if len(pks) == 1 else f"{len(pks)} charges",
        period=BillingPeriod.objects.get(pk=period),
        rows=len(pks),
        before=before,
        after=after,
        reason=reason,
    )


def _loaded(pks: list[int]) -> Iterator[list[Charge]]:
    """A batch shares its months, sources and payers: thousands of charges have a few."""
    related = Charge.objects.prefetch_related("period", "source", "pi", "project", "funding_account")
    for start in range(0, len(pks), BATCH):
        yield list(related.filter(pk__in=pks[start : start + BATCH]).order_by("pk"))
