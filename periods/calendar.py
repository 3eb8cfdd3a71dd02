"""Months as `YYYY-MM` text: what people type, what files carry, what sorts."""

import re
from datetime import date, datetime, timedelta

from django.utils import timezone

MONTH = re.compile(r"[12][0-9]{3}-(0[1-9]|1[0-2])")


def month_of(day: date | datetime) -> str:
    return f"{day.year:04d}-{day.month:02d}"


def first_day(month: str) -> date:
    return date(int(month[:4]), int(month[5:]), 1)


def last_day(month: str) -> date:
    return first_day(next_month(month)) - timedelta(days=1)


def next_month(month: str) -> str:
    return month_of(first_day(month) + timedelta(days=31))


def previous_month(month: str) -> str:
    return month_of(first_day(month) - timedelta(days=1))


def institution_day(moment: datetime) -> date:
    """The day by the institution's clock. Midnight is the bare date of a file, whatever the zone."""
    if moment.hour == moment.minute == 0:
        return moment.date()
    return timezone.localdate(moment)


def last_day_before(moment: datetime) -> date:
    """The last day of a period that ends there; by the same clock."""
    if moment.hour == moment.minute == 0:
        return moment.date() - timedelta(days=1)
    return timezone.localdate(moment - timedelta(microseconds=1))


def parse_month(text: str) -> str:
    """`YYYY-MM`, `current` or `previous` (by the institution's clock). Raises ValueError."""
    today = month_of(timezone.localdate())
    if text == "current":
        return today
    if text == "previous":
        return previous_month(today)
    if not MONTH.fullmatch(text):
        raise ValueError(f"{text!r} is no period: give YYYY-MM, current or previous.")
    return text


def in_words(month: str) -> str:
    return f"{first_day(month):%B %Y}"
