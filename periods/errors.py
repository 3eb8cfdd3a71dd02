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
NOT_OURS = (
    "The database may not be opened or written by this user. Nothing was changed: run as the user who owns it, or give "
    "the files of OCB_HOME to this one."
)
BEHIND = "The database lacks tables or columns of this version. Run manage.py migrate, then try again."
TOO_LARGE = (
    "The amounts add up to more than 9,223,372,036, which SQLite cannot hold to the billionth. Nothing was changed: "
    "use PostgreSQL."
)
LOCKED_OUT = {"55P03", "40P01"}  # PostgreSQL: lock not available, deadlock detected
NO_ROOM = {"53100", "58030"}  # PostgreSQL: disk full, I/O error
ABSENT = {"42P01", "42703"}  # PostgreSQL: undefined table, undefined column


def in_words(error: Exception) -> str | None:
    """What doors say of a database error that tells of others who write, the disk, or the set-up. None: a defect."""
    state, said = getattr(error.__cause__, "sqlstate", None), str(error)
    if state in LOCKED_OUT or "is locked" in said:
        return BUSY
    if state in NO_ROOM or any(words in said for words in ("disk is full", "disk I/O error")):
        return FULL
    if any(words in said for words in ("readonly database", "unable to open database file")):
        return NOT_OURS
    if state in ABSENT or any(words in said for words in ("no such table", "no such column")):
        return BEHIND
    if "integer overflow" in said:
        return TOO_LARGE
    return None
