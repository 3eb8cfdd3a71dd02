"""A statement again, to whom somebody names: the one way to send what was sent before, and marked as a copy."""

from typing import Any

from django.db import transaction

from periods import audit
from periods.errors import Refused
from periods.lifecycle import require_permission
from statements.emailing.letters import Letter
from statements.emailing.message import require_address
from statements.emailing.queueing import add
from statements.emailing.sending import send
from statements.emailing.suppressing import require_unsuppressed
from statements.issuing import says_what_is_now
from statements.models import EmailDelivery, Statement


def send_copy(statement: Statement, *, to: str, by: Any) -> EmailDelivery:
    """Sent now; what the server defers goes with a later run of the month. Raises Refused where nothing is to be sent."""
    require_permission(by, "statements.copy_emaildelivery", "send copies of statements")
    statement = Statement.objects.select_related("period", "document").get(pk=statement.pk)
    to = to.strip()
    require_address(to)
    require_unsuppressed(to)
    _require_current(statement)
    delivery = _queue(statement, to, by=by)
    send(EmailDelivery.objects.select_related("period", "pi").get(pk=delivery.pk), by=by)
    return EmailDelivery.objects.get(pk=delivery.pk)


def _require_current(statement: Statement) -> None:
    if statement.state != Statement.State.ISSUED:
        raise Refused(f"{statement} is {statement.get_state_display().lower()}: only what is issued is mailed.")
    if not hasattr(statement, "document"):
        raise Refused(f"{statement} has no PDF yet: render statements first.")
    if not says_what_is_now(statement):
        raise Refused(f"{statement} is out of date: issue statements first.")


@transaction.atomic
def _queue(statement: Statement, to: str, *, by: Any) -> EmailDelivery:
    letter = Letter(EmailDelivery.Kind.COPY, statement.pi_id, to, (statement,))
    (delivery,) = add(statement.period, [letter])
    audit.record(by=by, action="send a copy", subject=statement, period=statement.period, after={"to": to})
    return delivery
