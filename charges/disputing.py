"""A PI objects; staff uphold with an adjustment, or answer. Until then the amount stays due, marked in dispute."""

from decimal import Decimal
from typing import Any

from django.db import transaction

from charges.adjusting import adjust
from charges.models import Adjustment, Charge, Dispute, FundingAccount, PrincipalInvestigator, Project, Source
from periods import audit
from periods.errors import NotPermitted, Refused
from periods.lifecycle import require_reason, run_transition
from periods.models import BillingPeriod


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
    by: Any = None,
) -> Dispute:
    """On a charge, or on the line of a source and service. The caller has checked that `by` may see it."""
    if charge is None and source is None:
        raise Refused("Say what is disputed: a charge, or a line of a source.")
    locked = BillingPeriod.objects.lock_unsealed(period.pk)
    dispute = Dispute.objects.create(
        period=locked,
        pi=pi,
        project=project,
        charge=charge,
        source=source,
        service_name=service_name,
        funding_account=funding_account,
        opened_by=by,
    )
    dispute.messages.create(by=by, text=require_reason(text))
    audit.record(by=by, action="dispute", subject=dispute, period=locked, reason=text)
    return dispute


@transaction.atomic
def uphold(dispute: Dispute, *, due_amount: Decimal, list_amount: Decimal, text: str, by: Any = None) -> Dispute:
    """Correct by the signed amounts given: “not our usage” takes list and due, “price” due only."""
    charge = dispute.charge
    is_current = charge is not None and Charge.objects.current().filter(pk=charge.pk).exists()
    adjustment = adjust(
        by=by,
        period=dispute.period,
        kind=Adjustment.Kind.CORRECTION,
        pi=dispute.pi,
        project=dispute.project,
        description=f"Upheld dispute {dispute.pk}",
        reason=text,
        due_amount=due_amount,
        list_amount=list_amount,
        charge=charge if is_current else None,  # a replaced charge takes no adjustment any more, its month does
        source=dispute.source or (charge.source if charge else None),
        funding_account=dispute.funding_account or (charge.funding_account if charge else None),
    )
    decided = run_transition(dispute, "uphold", by=by, reason=text, adjustment=adjustment)
    decided.messages.create(by=by, text=text)
    return decided


@transaction.atomic
def deny(dispute: Dispute, *, text: str, by: Any = None) -> Dispute:
    BillingPeriod.objects.lock_unsealed(dispute.period_id)
    decided = run_transition(dispute, "deny", by=by, reason=require_reason(text))
    decided.messages.create(by=by, text=text)
    return decided


@transaction.atomic
def withdraw_dispute(dispute: Dispute, *, by: Any) -> Dispute:
    """By the person who opened it."""
    if by is None or dispute.opened_by_id != by.pk:
        raise NotPermitted("Only the person who opened a dispute withdraws it.")
    BillingPeriod.objects.lock_unsealed(dispute.period_id)
    return run_transition(dispute, "withdraw", by=by)
