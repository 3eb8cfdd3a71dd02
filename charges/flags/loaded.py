"""Flags that a charge gets from what else is known when it is loaded, not from its row alone."""

from decimal import Decimal

from charges.flags.flag import Flag
from charges.money import printed


class UnusualChange(Flag):
    name, label = "unusual_change", "Unusual change"
    about = "The service costs the project far more than in the three months before."

    @classmethod
    def against(cls, usual: Decimal, due: Decimal, currency: str) -> dict[str, str]:
        now, before = printed(due, currency), printed(usual, currency)
        return cls.because(
            f"This service comes to {now} for the project; the three months before, to {before} on average."
        )


class ChangedAfterApproval(Flag):
    name, label = "changed_after_approval", "Changed after approval"
    about = "A later delivery moved its amount after somebody had approved it."


class LikeDecided(Flag):
    name, label = "like_decided", "Like a decided charge"
    about = "Somebody decided about a charge that is billed no more in that form; this one says the same of resource, service and days."

    @classmethod
    def of(cls, decision: str, reason: str) -> dict[str, str]:
        told = f"{decision}: {reason}" if reason else decision
        return cls.because(f"A charge like this one, which is billed no more in that form, was {told}")


class Divided(Flag):
    name, label = "divided", "Divided, unclear"
    about = "Other rows look like parts of it, and do not add up or name another resource."
    reason = "Other rows look like parts of this charge, or of the same one, and do not add up or name another resource: both would be billed."


class Late(Flag):
    name, label = "late", "Late"
    about = "It came after its month was closed, and is the difference to what that month holds."

    @classmethod
    def of(cls, month: str) -> dict[str, str]:
        return cls.because(f"{month} was closed when this came: it is the difference to what that month holds.")
