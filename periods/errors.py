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
