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
FULL = "The disk of the database is full or refuses to write. Nothing was changed: make room, then try again."
LOCKED_OUT = {"55P03", "40P01"}  # PostgreSQL: lock not available, deadlock detected
NO_ROOM = {"53100", "58030"}  # PostgreSQL: disk full, I/O error


def in_words(error: Exception) -> str | None:
    """What doors say of a database error that only tells of others who write, or of the disk. None: it is a defect."""
    state = getattr(error.__cause__, "sqlstate", None)
    if state in LOCKED_OUT or "is locked" in str(error):
        return BUSY
    if state in NO_ROOM or any(words in str(error) for words in ("disk is full", "disk I/O error")):
        return FULL
    return None
