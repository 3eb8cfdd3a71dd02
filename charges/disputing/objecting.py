"""A PI objects; staff uphold with an adjustment, or answer. Until then the amount stays due, marked in dispute."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from charges.adjusting.entering import adjust
from charges.attaching import attach
from charges.attribution.funding import require_standing
from charges.disputing.at_stake import Amounts, account_code, at_stake, shares
from charges.disputing.noticing import tell_pi, tell_staff
from charges.disputing.outcome import require_alone, settle, take_back
from charges.models import Adjustment, Charge, Dispute, FundingAccount, PrincipalInvestigator, Project, Source
from charges.money import EXACT, ZERO, printed, round_to_currency
from periods import audit
from periods.duties import ADJUSTING
from periods.errors import NotPermitted, Refused, WrongState
from periods.lifecycle import require_permission, require_reason, run_transition
from periods.models import BillingPeriod

LONGEST = 10_000
Files = Sequence[UploadedFile]


@transaction.atomic
def open_dispute(
    *,
    period: BillingPeriod,
    pi: PrincipalInvestigator,
    project: Project,
    text: str,
    charge: Charge | None = None,
    source: Source | None = None,
    service_name: str = "",
    funding_account: FundingAccount | None = None,
    files: Files = (),
    by: Any = None,
) -> Dispute:
    """On a charge, or on the line of a source, service and fund. The caller has checked that `by` may see it."""
    if charge is None and source is None:
        raise Refused("Say what is disputed: a charge, or a line of a source.")
    require_standing(pi, project, funding_account)
    locked = BillingPeriod.objects.lock_unsealed(period.pk)
    dispute = Dispute(
        period=locked,
        pi=pi,
        project=project,
        charge=charge,
        source=source,
        service_name=service_name,
        funding_account=funding_account,
        opened_by=by,
    )
    require_alone(dispute)
    dispute.list_amount, dispute.due_amount = at_stake(dispute)
    if not (dispute.list_amount or dispute.due_amount):
        raise Refused("Nothing of it is billed there any more: look at the statement again, or wait for its revision.")
    dispute.save()
    _write(dispute, require_reason(text), files, by=by)
    after = {"about": dispute.subject, "list": str(dispute.list_amount), "due": str(dispute.due_amount)}
    audit.record(by=by, action="dispute", subject=dispute, period=locked, after=after, reason=text)
    tell_staff(dispute, text)
    return dispute


@transaction.atomic
def write_to_staff(dispute: Dispute, *, text: str, files: Files = (), by: Any) -> Dispute:
    """The PI's side adds to an open dispute. The caller has checked that `by` may see it."""
    locked = _lock_open(dispute)
    _write(locked, text, files, by=by)
    audit.record(by=by, action="write", subject=locked, period=locked.period, reason=text)
    tell_staff(locked, text)
    return locked


@transaction.atomic
def answer(dispute: Dispute, *, text: str, files: Files = (), by: Any = None) -> Dispute:
    """Staff write to the PI; nothing is decided by it."""
    require_permission(by, "charges.answer_dispute", "answer a dispute")
    locked = _lock_open(dispute)
    _write(locked, text, files, by=by, is_staff=True)
    audit.record(by=by, action="answer", subject=locked, period=locked.period, reason=text)
    tell_pi(locked, text)
    return locked


@transaction.atomic
def uphold(
    dispute: Dispute, *, ground: str, text: str, amount: Decimal | None = None, files: Files = (), by: Any = None
) -> Dispute:
    """Take off what is wrong, all of it unless an amount is given.

    “Not their usage” takes list price and amount due in proportion, a wrong price the amount due only. The amount
    is positive and of what is due; where nothing is due, of the list price. Where somebody else must approve it, it
    stays open until then, and the PI hears of it then.
    """
    require_permission(by, "charges.uphold_dispute", "uphold a dispute")
    locked = _lock_open(dispute)
    _require_other(locked, by)
    _require_none_pending(locked)
    granted = _granted(at_stake(locked), Dispute.Ground(ground), amount, locked.period.currency)
    for fund, part in shares(locked, granted):
        _correct(locked, fund, part, granted, text, by=by)
    locked.propose(ground=ground, granted=granted)
    locked.save()
    _write(locked, text, files, by=by, is_staff=True, is_internal=True)
    after = {"ground": ground, "list": str(granted.list), "due": str(granted.due)}
    audit.record(by=by, action="propose", subject=locked, period=locked.period, after=after, reason=text)
    return settle(locked, reason=text, by=by)


@transaction.atomic
def deny(dispute: Dispute, *, text: str, files: Files = (), by: Any = None) -> Dispute:
    locked = _lock_open(dispute)
    _require_other(locked, by)
    _require_none_pending(locked)
    decided = run_transition(locked, "deny", by=by, reason=require_reason(text))
    _write(decided, text, files, by=by, is_staff=True)
    tell_pi(decided, text)
    return decided


@transaction.atomic
def withdraw_dispute(dispute: Dispute, *, by: Any) -> Dispute:
    """By the person who opened it."""
    if by is None or dispute.opened_by_id != by.pk:
        raise NotPermitted("Only the person who opened a dispute withdraws it.")
    locked = _lock_open(dispute)
    take_back(locked, reason="The dispute is withdrawn.", by=by)
    return run_transition(locked, "withdraw", by=by)


def _require_other(dispute: Dispute, by: Any) -> None:
    ADJUSTING.require_other(by, than=dispute.opened_by_id, what="opened this dispute")


def _lock_open(dispute: Dispute) -> Dispute:
    """The month first, as every stage locks it."""
    BillingPeriod.objects.lock_unsealed(dispute.period_id)
    locked = Dispute.objects.select_for_update().get(pk=dispute.pk)
    if locked.state != Dispute.State.OPEN:
        raise WrongState(f"This dispute is {locked.get_state_display().lower()}: nothing is added to it any more.")
    return locked


def _require_none_pending(dispute: Dispute) -> None:
    if dispute.adjustments.pending().exists():
        raise Refused("What was to be taken off awaits approval: approve, refuse or withdraw that first.")


def _write(dispute: Dispute, text: str, files: Files, *, by: Any, **kind: bool) -> None:
    text = text.strip()
    if not text:
        raise Refused("Write a message.")
    if len(text) > LONGEST:
        raise Refused(f"Write at most {LONGEST:,} characters; attach what is longer as a file.")
    attach(dispute.messages.create(by=by, text=text, **kind).attachments, files, folder="disputes")


def _granted(left: Amounts, ground: Dispute.Ground, amount: Decimal | None, currency: str) -> Amounts:
    """The change of list price and amount due: never more than is left, and towards zero."""
    is_usage = ground == Dispute.Ground.USAGE
    whole = left.due or (left.list if is_usage else ZERO)
    if not whole:
        raise Refused("Nothing of it is charged to them any more, so nothing can be taken off: deny it and say so.")
    taken = abs(whole) if amount is None else amount
    if taken <= 0 or round_to_currency(taken, currency) != taken:
        raise Refused("Give an amount above zero, of whole coins; or none, to take off all of it.")
    if taken > abs(whole):
        raise Refused(f"At most {printed(abs(whole), currency)} is left to take off, after earlier adjustments.")
    change = -taken if whole > 0 else taken
    if not is_usage:
        return Amounts(ZERO, change)
    if not left.due:
        return Amounts(change, ZERO)
    in_proportion = EXACT.divide(EXACT.multiply(-left.list, taken), abs(left.due))
    return Amounts(round_to_currency(in_proportion, currency), change)


def _correct(
    dispute: Dispute, fund: FundingAccount | None, part: Amounts, granted: Amounts, text: str, *, by: Any
) -> Adjustment:
    """One fund's part; whether somebody else must approve it is judged on the whole."""
    charge = dispute.charge
    is_current = charge is not None and Charge.objects.current().filter(pk=charge.pk).exists()
    return adjust(
        by=by,
        period=dispute.period,
        kind=Adjustment.Kind.CORRECTION,
        pi=dispute.pi,
        project=dispute.project,
        description=f"Upheld dispute {dispute.pk}",
        reason=text,
        due_amount=part.due,
        list_amount=part.list,
        charge=charge if is_current else None,  # a replaced charge takes no adjustment any more, its month does
        source=dispute.source or (charge.source if charge else None),
        funding_account=fund,
        account_code=account_code(dispute),
        weighed=granted.due,
        dispute=dispute,
    )
