"""What an auditor must find behind a correction: its cause, how the error came about, who certifies, and why so late."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils import timezone

from charges.models import Charge, Correction
from charges.models.correction import SHORTEST
from periods import calendar
from periods.errors import Refused

PROMPT = 90  # days within which a correction needs no justification
MOST_REPEATED = 5  # words, of which an explanation has more
BOILERPLATE = re.compile(
    r"\b(?:to\s+)?(?:correct(?:ing|ion\s+of)?|fix(?:ing)?)\s+(?:(?:an?|the|this|previous|prior|billing|clerical)\s+)*"
    r"(?:errors?|mistakes?|charges?|accounts?|funds?|projects?|amounts?)\b"
    r"|\b(?:clerical|billing|human)\s+(?:errors?|mistakes?)\b|\bsee\s+(?:above|attached)\b|\bas\s+discussed\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    cause: str
    explanation: str
    certifier: str
    justification: str = ""


def require_grounds(grounds: Grounds, charges: list[Charge]) -> Grounds:
    """The grounds, stripped. Raises Refused for what sponsors would not accept."""
    if grounds.cause not in Correction.Cause.values:
        raise Refused("Say what was wrong.")
    if not (certifier := grounds.certifier.strip()):
        raise Refused("Name the person who certifies the correction.")
    explanation, justification = grounds.explanation.strip(), grounds.justification.strip()
    require_words(explanation, "Explain how the error came about")
    if any(map(is_old, charges)):
        require_words(justification, f"The charge is more than {PROMPT} days old: justify why it is corrected only now")
    return Grounds(cause=grounds.cause, explanation=explanation, certifier=certifier, justification=justification)


def require_words(text: str, what: str) -> None:
    """Words of one's own: the usual phrases, such as “to correct an error”, say nothing and do not count."""
    own = " ".join(BOILERPLATE.sub(" ", text).split())
    if len(own) < SHORTEST or len(set(own.casefold().split())) <= MOST_REPEATED:
        raise Refused(
            f"{what}, in at least {SHORTEST} characters of your own. Phrases such as “to correct an error” do not count."
        )


def is_old(charge: Charge) -> bool:
    """Whether sponsors ask why the correction comes so late."""
    return (timezone.localdate() - last_day_of(charge)).days > PROMPT


def charge_day(charge: Charge) -> date:
    """The day on which a fund must be valid to bear it."""
    if charge.charge_period_start is None:
        return calendar.first_day(month_of(charge))
    return calendar.institution_day(charge.charge_period_start)


def last_day_of(charge: Charge) -> date:
    """The last day of use; FOCUS ends a period at the beginning of the day after."""
    start, end = charge.charge_period_start, charge.charge_period_end
    if start is None or end is None or end <= start:
        return charge_day(charge) if start else calendar.last_day(month_of(charge))
    day = calendar.institution_day(end)
    is_exclusive = end.hour == end.minute == 0
    return day - timedelta(days=1) if is_exclusive else day


def month_of(charge: Charge) -> str:
    """The closed month that a charge belongs to, wherever it was billed."""
    return charge.late_month or charge.period.month
