"""Instants in every form that providers write them, and in none that would have to be guessed."""

from datetime import UTC, datetime

import pytest

from charges.importing.checking.moments import moment

SECOND = datetime(2025, 1, 31, 7, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2025-01-31", datetime(2025, 1, 31, tzinfo=UTC)),
        ("2025-01-31T07:30Z", SECOND.replace(second=0)),
        ("2025-01-31T07:30:05", SECOND),
        ("2025-01-31 02:30:05-05:00", SECOND),
        ("2025-01-31 07:30:05 UTC", SECOND),
        ("2025-01-31 07:30:05.25 UTC", SECOND.replace(microsecond=250_000)),
        ("2025-01-31 07:30:05.123456 UTC", SECOND.replace(microsecond=123_456)),
        ("", None),
    ],
)
def test_forms_of_an_instant(text, at):
    assert moment(text).at == at


@pytest.mark.parametrize(
    "text", ["2025-01-31 UTC", "2025-01-31 07:30:05 EST", "2025-01-31 07:30:05Z UTC", "31/01/2025"]
)
def test_what_is_no_instant(text):
    with pytest.raises(ValueError):
        moment(text)
