"""A credit campaign: one credit on many charges of a month, such as after an outage.

The preview and the campaign itself share `effect`, so that what was seen is what is made.
"""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from charges.adjusting.approving import needs_approval, require_another
from charges.adjusting.credit_effect import Effect, effect
from charges.correcting.reversing import require_unreversed
from charges.models import Adjustment, CreditCampaign
from periods import audit
from periods.duties import ADJUSTING
from periods.errors import PeriodLocked, Refused
from periods.lifecycle import require_permission, require_reason
from periods.models import BillingPeriod

BATCH = 1000


def preview_campaign(campaign: CreditCampaign, *, by: Any = None) -> Effect:
    """What an unsaved campaign would do; refused as making it would be."""
    require_permission(by, "charges.add_creditcampaign", "make a credit campaign")
    if campaign.period.state == BillingPeriod.State.FINALIZED:
        raise PeriodLocked(f"{campaign.period} is finalized: nothing in it changes.")
    _validate(campaign)
    return effect(campaign)


@transaction.atomic
def make_campaign(campaign: CreditCampaign, *, seen: str = "", by: Any = None) -> CreditCampaign:
    """Credit every charge that the campaign names, all or none. `seen` is what the preview of it was marked with."""
    require_permission(by, "charges.add_creditcampaign", "make a credit campaign")
    ADJUSTING.require_person(by)
    campaign.period = BillingPeriod.objects.lock_unsealed(campaign.period_id)
    _validate(campaign)
    found = effect(campaign)
    if seen and seen != found.mark:
        raise Refused("The charges have changed since the preview: look at it again.")
    if not found.credits:
        raise Refused("No charge is credited by this: nothing that matches has an amount due.")
    campaign.created_by = by
    campaign.charges, campaign.projects, campaign.due_amount = len(found.credits), found.credited_projects, -found.total
    campaign.needs_approval = needs_approval(campaign.due_amount)
    campaign.save()
    Adjustment.objects.bulk_create(_adjustments(campaign, found), batch_size=BATCH)
    _record("credit", campaign, by=by, reason=campaign.reason, after={**_terms(campaign), "due": str(-found.total)})
    return campaign


@transaction.atomic
def approve_campaign(campaign: CreditCampaign, *, by: Any) -> CreditCampaign:
    """From here on all of its credits count; the statements show them once reissued."""
    locked = _lock(campaign, by, "charges.approve_creditcampaign", "approve a credit campaign")
    require_another(locked, by)
    require_unreversed(locked.adjustments.filter(withdrawn_at=None).values("charge"))
    approved = {"approved_at": timezone.now(), "approved_by": by}
    _change(locked, **approved)
    _record("approve", locked, by=by, after={"due": str(locked.due_amount)})
    return locked


@transaction.atomic
def refuse_campaign(campaign: CreditCampaign, *, reason: str, by: Any) -> CreditCampaign:
    """Withdrawn by who was to approve it; none of its credits ever counted."""
    locked = _lock(campaign, by, "charges.approve_creditcampaign", "refuse a credit campaign")
    require_another(locked, by)
    _change(locked, withdrawn_at=timezone.now())
    _record("refuse", locked, by=by, reason=require_reason(reason))
    return locked


@transaction.atomic
def withdraw_campaign(campaign: CreditCampaign, *, reason: str, by: Any = None) -> CreditCampaign:
    """Take all of its credits back while the month is not finalized; the rows stay, and count no more."""
    locked = _lock(campaign, by, "charges.withdraw_creditcampaign", "withdraw a credit campaign")
    if locked.withdrawn_at:
        raise Refused(f"{locked} is withdrawn already.")
    if taken := Adjustment.objects.in_force().filter(reverses__campaign=locked).select_related("period").first():
        raise Refused(f"Credits of {locked} were taken back already, in {taken.period}: withdraw these first.")
    _change(locked, withdrawn_at=timezone.now())
    _record("withdraw", locked, by=by, reason=require_reason(reason))
    return locked


def _validate(campaign: CreditCampaign) -> None:
    campaign.code = campaign.code.strip().upper()
    campaign.reason = require_reason(campaign.reason)
    if CreditCampaign.objects.filter(period=campaign.period_id, code=campaign.code, withdrawn_at=None).exists():
        raise Refused(f"{campaign.period} has a credit campaign {campaign.code} already: no charge is credited twice.")
    try:
        campaign.full_clean()
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from error


def _adjustments(campaign: CreditCampaign, found: Effect) -> Iterator[Adjustment]:
    same = {
        "campaign": campaign,
        "period": campaign.period,
        "kind": Adjustment.Kind.CREDIT,
        "description": campaign.printed,
        "reason": campaign.reason,
        "created_at": campaign.created_at,
        "created_by": campaign.created_by,
        "needs_approval": campaign.needs_approval,
    }
    for row, credit in found.credits:
        yield Adjustment(
            **same,
            charge_id=row.pk,
            pi_id=row.pi_id,
            project_id=row.project_id,
            source_id=row.source_id,
            funding_account_id=row.funding_account_id,
            account_code=row.account_code,
            due_amount=-credit,
        )


def _lock(campaign: CreditCampaign, by: Any, permission: str, what: str) -> CreditCampaign:
    require_permission(by, permission, what)
    BillingPeriod.objects.lock_unsealed(campaign.period_id)
    return CreditCampaign.objects.select_for_update().get(pk=campaign.pk)


def _change(campaign: CreditCampaign, **values: Any) -> None:
    """The campaign and those of its credits that nobody withdrew one by one."""
    for name, value in values.items():
        setattr(campaign, name, value)
    campaign.save(update_fields=list(values))
    campaign.adjustments.filter(withdrawn_at=None).update(**values)


def _record(action: str, campaign: CreditCampaign, **entry: Any) -> None:
    audit.record(action=action, subject=campaign, period=campaign.period, rows=campaign.charges, **entry)


def _terms(campaign: CreditCampaign) -> dict[str, str]:
    """As stated, in words; what was left empty is left out."""
    names = ("source", "service_name", "first_day", "last_day", "pi", "project", "method", "percent", "amount", "cap")
    return {name: str(value) for name in names if (value := getattr(campaign, name)) not in (None, "")}
