"""What becomes of a dispute when its adjustments are approved, refused or withdrawn.

It is upheld once all that it takes off counts, and only then is the PI told. Where any of it is refused or withdrawn,
all of it is, and the dispute is open again.
"""

from typing import Any

from django.utils import timezone

from charges.disputing.noticing import tell_pi, tell_staff
from charges.models import Dispute
from charges.money import ZERO
from periods import audit
from periods.errors import Refused
from periods.lifecycle import run_transition


def settle(dispute: Dispute, *, reason: str = "", by: Any) -> Dispute:
    """Upheld, unless something of it still awaits approval. Publishes the message that it was proposed with."""
    if dispute.adjustments.pending().exists():
        return dispute
    decided = run_transition(dispute, "uphold", by=by, reason=reason)
    message = decided.messages.filter(is_internal=True).last()
    if message:
        message.is_internal, message.at = False, timezone.now()
        message.save(update_fields=["is_internal", "at"])
        tell_pi(decided, message.text)
    return decided


def reconsider(dispute: Dispute, *, reason: str, by: Any) -> Dispute:
    """Open again, with nothing taken off. A PI who was told that it is upheld is told this too; else staff are."""
    found = Dispute.objects.select_for_update().get(pk=dispute.pk)
    was_told = found.state == Dispute.State.UPHELD
    if was_told:
        require_alone(found)
        found = run_transition(found, "reopen", by=by, reason=reason)
    take_back(found, reason=reason, by=by)
    text = f"It is open again, and nothing is taken off: {reason}"
    found.messages.create(by=by, text=text, is_staff=True, is_internal=not was_told)
    if was_told:
        tell_pi(found, text)
    else:
        tell_staff(found, text, is_theirs=False)
    return found


def take_back(dispute: Dispute, *, reason: str, by: Any) -> None:
    """Withdraw whatever it takes off."""
    for adjustment in dispute.adjustments.filter(withdrawn_at=None):
        adjustment.withdrawn_at = timezone.now()
        adjustment.save(update_fields=["withdrawn_at"])
        audit.record(by=by, action="withdraw", subject=adjustment, period=adjustment.period, reason=reason)
    dispute.propose(ground="", granted=(ZERO, ZERO))
    dispute.save()


def require_alone(dispute: Dispute) -> None:
    """The month is locked, so that of two at once the second finds the first."""
    same = Dispute.objects.filter(period=dispute.period, state=Dispute.State.OPEN, charge=dispute.charge)
    if dispute.charge is None:
        payer = {"pi": dispute.pi, "project": dispute.project, "source": dispute.source}
        same = same.filter(**payer, service_name=dispute.service_name, funding_account=dispute.funding_account)
    if found := same.exclude(pk=dispute.pk).first():
        raise Refused(f"It is in dispute already: write to dispute {found.pk}.")
