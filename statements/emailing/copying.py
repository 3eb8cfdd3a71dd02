"""Statements again, to the PI or to whom somebody names: the one way to send what was sent before, marked as a copy."""

import math
from collections.abc import Container, Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from periods import audit
from periods.errors import Refused
from periods.lifecycle import require_permission
from statements.emailing.letters import Letter
from statements.emailing.message import require_address
from statements.emailing.posting import connect
from statements.emailing.queueing import add
from statements.emailing.sending import Emailed, send_all, summary
from statements.emailing.suppressing import require_unsuppressed
from statements.issuing import outdated
from statements.models import EmailDelivery, Statement


def send_copies(statements: QuerySet[Statement], *, to: str = "", by: Any, until: float = math.inf) -> Emailed:
    """A message for each PI and month with those of theirs: to the PI's address, or all `to` one. Sent now.

    What is not to be sent is named under `problems` and stops no other. Raises Refused where nothing is. What the
    server defers, what is above the messages a minute, and all after `until` by the monotonic clock, goes with a later
    run of its month.
    """
    require_permission(by, "statements.copy_emaildelivery", "send copies of statements")
    to = to.strip()
    if to:
        require_address(to)
        require_unsuppressed(to)
    sendable, problems = _sendable(statements)
    if not sendable:
        raise Refused(" ".join(problems) or "There is no statement to send.")
    connect().close()  # without a mail server nothing is queued, lest it go twice when somebody tries again
    queued = [delivery.pk for delivery in _queue(sendable, to, by=by)]
    sent = send_all(queued, by=by, until=until)
    return summary(list(EmailDelivery.objects.filter(pk__in=queued).order_by("pk")), sent, problems)


def _sendable(statements: QuerySet[Statement]) -> tuple[list[Statement], list[str]]:
    """In the order of months and PIs; and why others are not."""
    chosen = statements.select_related("period", "document", "pi").order_by("period__month", "pi", "number", "revision")
    sendable, problems = [], []
    for period, found in groupby(list(chosen), key=attrgetter("period")):
        of_month = list(found)
        stale = outdated(period, of_month)
        for statement in of_month:
            if why := _obstacle(statement, stale):
                problems.append(f"{statement} {why}.")
            else:
                sendable.append(statement)
    return sendable, problems


@transaction.atomic
def _queue(statements: Sequence[Statement], to: str, *, by: Any) -> list[EmailDelivery]:
    queued = []
    for period, of_month in groupby(statements, key=attrgetter("period")):
        payers = [tuple(found) for _, found in groupby(of_month, key=attrgetter("pi_id"))]
        letters = [Letter(EmailDelivery.Kind.COPY, own[0].pi_id, to or own[0].pi.email, own) for own in payers]
        queued += add(period, letters)
        _record(letters, by=by)
    return queued


def _record(letters: Iterable[Letter], *, by: Any) -> None:
    for letter in letters:
        for statement in letter.statements:
            after = {"to": letter.recipient}
            audit.record(by=by, action="send a copy", subject=statement, period=statement.period, after=after)


def _obstacle(statement: Statement, stale: Container[Statement]) -> str:
    if statement.state != Statement.State.ISSUED:
        return f"is {statement.get_state_display().lower()}: only what is issued is mailed"
    if not hasattr(statement, "document"):
        return "has no PDF yet: render statements first"
    return "is out of date: issue statements first" if statement in stale else ""
