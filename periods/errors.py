"""What a stage raises when it will not do what it was asked: a sentence for the person who asked."""


class Refused(Exception):
    """The request is understood and declined; nothing was changed."""


class NotPermitted(Refused):
    """The named user lacks the permission that this stage or transition asks for."""


class WrongState(Refused):
    """The document is in a state that has no such transition."""


class PeriodNotOpen(Refused):
    """The month is closed or finalized: no import may write into it."""


class PeriodLocked(Refused):
    """The month is finalized: nothing in it changes, ever."""


BUSY = "A large month is being sealed, or a large file loaded. Nothing was changed: try again in a few minutes."
LOCKED_OUT = {"55P03", "40P01"}  # PostgreSQL: lock not available, deadlock detected


def is_busy(error: Exception) -> bool:
    """Whether a database error only says that somebody else is writing, which doors show as BUSY."""
    return "is locked" in str(error) or getattr(error.__cause__, "sqlstate", None) in LOCKED_OUT
