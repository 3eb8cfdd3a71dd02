"""A PI objects: the thread, its files and mails, and what the objection comes to in money."""

from charges.disputing.objecting import answer, deny, open_dispute, uphold, withdraw_dispute, write_to_staff

__all__ = ["answer", "deny", "open_dispute", "uphold", "withdraw_dispute", "write_to_staff"]
