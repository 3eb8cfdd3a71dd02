"""Dates and times of FOCUS files: with and without a time of day, seconds and a zone; never guessed."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from charges.focus import NULLS
from charges.importing.writing import instant
from periods.calendar import institution_day, last_day_before, month_of

INSTANT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d| UTC)?)?")
EARLIEST, LATEST = 1970, 2999


class Moment(NamedTuple):
    """An instant, its day where the institution is, its month, and how the database holds it."""

    at: datetime | None
    day: date | None = None
    month: str = ""
    stored: Any = None
    last_day: date | None = None  # of a period that ends there


def moment(text: str) -> Moment:
    """In UTC; without a zone, UTC is meant (FOCUS §DateTimeFormat). Raises ValueError."""
    text = text.strip()
    if text in NULLS:
        return Moment(None)
    if not INSTANT.fullmatch(text):
        raise ValueError(text)
    at = datetime.fromisoformat(text.removesuffix(" UTC"))  # as BigQuery writes its zone
    if not EARLIEST <= at.year <= LATEST:
        raise ValueError(text)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return _moment(at)


def inclusive_end(text: str) -> Moment:
    """The first instant after a period whose last day, or last second, the file names."""
    last = moment(text)
    if last.at is None:
        return last
    at = last.at
    if at.time() == time.min:
        at += timedelta(days=1)
    elif (at.hour, at.minute, at.second) == (23, 59, 59):
        at = at.replace(microsecond=0) + timedelta(seconds=1)
    return _moment(at)


def _moment(at: datetime) -> Moment:
    return Moment(at, institution_day(at), month_of(at), instant(at), last_day_before(at))
