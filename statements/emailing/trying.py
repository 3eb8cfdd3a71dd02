"""A test message, so that the mail settings are known to work before they carry anything that counts."""

from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage

from periods import audit
from periods.errors import Refused
from periods.lifecycle import require_permission
from statements.emailing.message import require_address
from statements.emailing.posting import connect, hand_over
from statements.models import EmailDelivery
from statements.templating import render


def send_test(*, by: Any) -> str:
    """To the address of whoever asks, which it gives back. Raises Refused with the server's own words."""
    require_permission(by, "statements.email_statement", "send a test message")
    if not by.email:
        raise Refused("Your account has no e-mail address: give it one under Users.")
    require_address(by.email)
    message = EmailMessage(
        subject=f"Test message of {settings.INSTITUTION_NAME}",
        body=render(
            "emails/test-body.txt", autoescape=False, institution=settings.INSTITUTION_NAME, site_url=settings.SITE_URL
        ),
        to=[by.email],
        reply_to=[settings.REPLY_TO_EMAIL] if settings.REPLY_TO_EMAIL else None,
        headers={"Auto-Submitted": "auto-generated"},
    )
    connection = connect()
    try:
        outcome = hand_over(connection, message)
    finally:
        connection.close()
    audit.record(by=by, action="test mail", subject=by.email, after={"status": outcome.status, "error": outcome.error})
    if outcome.status != EmailDelivery.Status.SENT:
        raise Refused(f"The test message was not sent: {outcome.error}")
    return str(by.email)
