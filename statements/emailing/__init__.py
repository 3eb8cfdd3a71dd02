"""Statements by mail: what the message says, and that it leaves exactly once."""

from statements.emailing.sending import Emailed, email_statements, retry

__all__ = ["Emailed", "email_statements", "retry"]
