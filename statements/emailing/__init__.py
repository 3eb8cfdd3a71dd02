"""Statements by mail: what the message says, and that it leaves exactly once."""

from statements.emailing.copying import send_copies
from statements.emailing.retrying import retry
from statements.emailing.sending import Emailed, email_statements
from statements.emailing.suppressing import clear
from statements.emailing.trying import send_test

__all__ = ["Emailed", "clear", "email_statements", "retry", "send_copies", "send_test"]
