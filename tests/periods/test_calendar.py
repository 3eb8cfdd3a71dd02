"""Months as text."""

from datetime import UTC, date, datetime

import pytest
import time_machine

from periods.calendar import first_day, in_words, institution_day, last_day, next_month, parse_month, previous_month


@pytest.mark.parametrize(
    ("month", "first", "last", "after", "before"),
    [
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29), "2024-03", "2024-01"),
        ("2025-12", date(2025, 12, 1), date(2025, 12, 31), "2026-01", "2025-11"),
        ("2025-01", date(2025, 1, 1), date(2025, 1, 31), "2025-02", "2024-12"),
    ],
)
def test_a_month_knows_its_days_and_neighbours(month: str, first: date, last: date, after: str, before: str) -> None:
    assert (first_day(month), last_day(month), next_month(month), previous_month(month)) == (first, last, after, before)


@time_machine.travel("2026-01-01T03:00:00Z", tick=False)
def test_current_and_previous_follow_the_institutions_clock(settings: object) -> None:
    assert (parse_month("current"), parse_month("previous")) == ("2026-01", "2025-12")

    settings.TIME_ZONE = "America/Chicago"
    assert (parse_month("current"), parse_month("previous")) == ("2025-12", "2025-11")


@pytest.mark.parametrize(
    "text", ["2025-13", "2025-1", "January", "", "2025-01-01", "25-01", "0000-01", "9999-12", "２０２５-01"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no period: give YYYY-MM, current or previous"):
        parse_month(text)


def test_a_day_is_the_institutions_and_midnight_is_a_bare_date(settings: object) -> None:
    settings.TIME_ZONE = "America/Chicago"

    assert institution_day(datetime(2025, 1, 10, 3, tzinfo=UTC)) == date(2025, 1, 9)
    assert institution_day(datetime(2025, 1, 10, tzinfo=UTC)) == date(2025, 1, 10)


def test_a_month_in_words() -> None:
    assert in_words("2025-01") == "January 2025"
