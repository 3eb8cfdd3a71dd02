"""Corrections by people: an adjustment is added beside the facts, with a reason and an author."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone

from charges.adjusting.approving import needs_approval
from charges.attaching import attach
from charges.attribution.funding import require_standing
from charges.correcting.reversing import require_unreversed
from charges.disputing.outcome import reconsider
from charges.models import (
    Adjustment,
    Charge,
    Correction,
    Dispute,
    FundingAccount,
    PrincipalInvestigator,
    Project,
    Source,
)
from charges.money import ZERO
from periods import audit
from periods.duties import ADJUSTING
from periods.errors import Refused
from periods.lifecycle import require_permission, require_reason
from periods.models import BillingPeriod

FOLDER = "adjustments"  # of OCB_HOME
CREDITS = (Adjustment.Kind.CREDIT, Adjustment.Kind.WRITE_OFF)


@transaction.atomic
def adjust(
    *,
    period: BillingPeriod,
    kind: str,
    pi: PrincipalInvestigator,
    project: Project,
    description: str,
    reason: str,
    due_amount: Decimal,
    list_amount: Decimal = ZERO,
    source: Source | None = None,
    funding_account: FundingAccount | None = None,
    borne_by: FundingAccount | None = None,
    charge: Charge | None = None,
    account_code: str = "",
    weighed: Decimal | None = None,
    dispute: Dispute | None = None,
    files: Sequence[UploadedFile] = (),
    by: Any = None,
) -> Adjustment:
    """A signed amount in an open or closed month. A credit is negative; a manual charge states list and due.

    On a charge whose project is split it needs no fund: it is divided as the charge is. Above the institution's
    limit it counts once somebody else has approved it.
    """
    require_permission(by, "charges.add_adjustment", "adjust")
    ADJUSTING.require_person(by)
    require_standing(pi, project, funding_account, borne_by)
    adjustment = Adjustment(
        period=BillingPeriod.objects.lock_unsealed(period.pk),
        kind=kind,
        source=source or (charge.source if charge else None),
        pi=pi,
        project=project,
        funding_account=funding_account or (charge.funding_account if charge else None),
        borne_by=borne_by,
        charge=charge,
        dispute=dispute,
        account_code=account_code,
        description=description,
        list_amount=list_amount,
        due_amount=due_amount,
        reason=require_reason(reason),
        created_by=by,
    )
    adjustment.needs_approval = needs_approval(due_amount if weighed is None else weighed)
    _validate(adjustment)
    adjustment.save()
    attach(adjustment.attachments, files, folder=FOLDER)
    after = {"kind": kind, "list": str(list_amount), "due": str(due_amount), "pi": pi.email, "project": project.code}
    audit.record(by=by, action="adjust", subject=adjustment, period=adjustment.period, after=after, reason=reason)
    return adjustment


@transaction.atomic
def attach_files(adjustment: Adjustment, *, files: Sequence[UploadedFile], by: Any = None) -> Adjustment:
    """Add what it rests on, while its month is not finalized: a letter may come later, and a spreadsheet carries none."""
    require_permission(by, "charges.add_adjustment", "adjust")
    period = BillingPeriod.objects.lock_unsealed(adjustment.period_id)
    if Adjustment.objects.get(pk=adjustment.pk).withdrawn_at:
        raise Refused(f"{adjustment} is withdrawn: nothing is added to it.")
    attach(adjustment.attachments, files, folder=FOLDER)
    after = {"files": [file.name for file in files]}
    audit.record(by=by, action="attach", subject=adjustment, period=period, rows=len(files), after=after)
    return adjustment


@transaction.atomic
def withdraw(adjustment: Adjustment, *, reason: str, by: Any = None) -> Adjustment:
    """Take an adjustment back while its month is not finalized; the row stays, and counts no more."""
    require_permission(by, "charges.withdraw_adjustment", "withdraw an adjustment")
    BillingPeriod.objects.lock_unsealed(adjustment.period_id)
    locked = Adjustment.objects.select_for_update().get(pk=adjustment.pk)
    if locked.withdrawn_at:
        raise Refused(f"{locked} is withdrawn already.")
    if locked.reverses_id and Correction.objects.filter(reversal=locked.charge_id).exists():
        raise Refused(f"{locked} belongs to the correction of {locked.charge}, which stands.")
    if taken := Adjustment.objects.in_force().filter(reverses=locked).select_related("period").first():
        raise Refused(f"{locked} was taken back already, in {taken.period}: withdraw that first.")
    locked.withdrawn_at = timezone.now()
    locked.save(update_fields=["withdrawn_at"])
    audit.record(by=by, action="withdraw", subject=locked, period=locked.period, reason=require_reason(reason))
    if locked.dispute:
        reconsider(locked.dispute, reason=reason, by=by)
    return locked


def _validate(adjustment: Adjustment) -> None:
    if adjustment.charge:
        _require_own(adjustment, adjustment.charge)
        if adjustment.due_amount and not (adjustment.funding_account or _is_split(adjustment.charge)):
            raise Refused("An adjustment with an amount due needs a funding account.")
    try:
        adjustment.full_clean()
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from error
    if adjustment.kind in CREDITS and adjustment.due_amount >= 0:
        raise Refused("A credit or write-off lowers the amount due: give a negative amount.")


def _is_split(charge: Charge) -> bool:
    return charge.fund_step == Charge.FundStep.SPLIT


def _require_own(adjustment: Adjustment, charge: Charge) -> None:
    period, pi, project = adjustment.period, adjustment.pi, adjustment.project
    require_unreversed([charge.pk])
    if not Charge.objects.current().filter(pk=charge.pk, period=period, pi=pi, project=project).exists():
        raise Refused(f"{charge} is no current charge of {pi} and {project} in {period}: adjust one that is, or none.")
