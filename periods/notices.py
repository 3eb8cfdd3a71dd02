"""Mail about what was done, sent once it is committed: a mail server that is down undoes nothing, and is logged."""

from typing import Any

from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string


def tell(template: str, context: dict[str, Any], **addresses: Any) -> None:
    """Composed after the commit too: a template of the institution that is broken undoes no decision either."""

    def send() -> None:
        message = EmailMessage(
            subject=one_line(render_to_string(f"{template}-subject.txt", context)),
            body=render_to_string(f"{template}-body.txt", context),
            headers={"Auto-Submitted": "auto-generated"},
            **addresses,
        )
        message.send()

    transaction.on_commit(send, robust=True)


def one_line(text: str) -> str:
    """Names come from tags: a line break in one must not begin another header."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
