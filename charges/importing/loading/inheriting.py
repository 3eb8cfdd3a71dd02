"""What one charge inherits from another that somebody decided about: who pays, and whether it is billed."""

from typing import Any

from charges.attribution.funding import ProjectFunds
from charges.attribution.undoing import remember
from charges.converting import convert, revert
from charges.flags import PAYER_FLAGS, ChangedAfterApproval, Divided
from charges.importing.checking.totals import short
from charges.models import Charge, Source
from charges.review import settle_payer_flags
from charges.sharing import is_shareable

Status = Charge.ReviewStatus


def carry(old: Charge, new: Charge, source: Source) -> None:
    """What people decided about a charge holds for its changed form; an approval only if due hardly moved. Unsaved."""
    carry_payer(old, new)
    new.decided_by_id, new.decided_at, new.decision_reason = old.decided_by_id, old.decided_at, old.decision_reason
    if old.review_status in (Status.EXCLUDED, Status.DEFERRED):
        new.review_status = old.review_status
    elif old.review_status in (Status.APPROVED, Status.SHARED):
        _carry_approval(old, new, source)


def _carry_approval(old: Charge, new: Charge, source: Source) -> None:
    """It holds while due hardly moves and nothing is lacking; amounts are compared in the month's currency.

    Nobody approved that a charge is billed beside its parts.
    """
    if Divided.name in new.flags.keys() - old.flags.keys():
        return
    is_shared = is_shareable(new)
    is_complete = (is_shared or not new.missing) and (not new.is_unconverted or convert(new))
    if is_complete and abs(new.due_amount - old.due_amount) <= source.approval_threshold:
        new.review_status = Status.SHARED if is_shared else Status.APPROVED
        return
    new.flags |= ChangedAfterApproval.because(f"Due was {short(old.due_amount)} when it was approved.")
    new.review_status = Status.HELD
    if new.exchange_rate_id:
        revert(new)


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
