"""Database errors that are nobody's defect are said in words."""

import pytest
from django.db import OperationalError

from periods.errors import BEHIND, BUSY, FULL, NOT_OURS, TOO_LARGE, in_words


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("database is locked", BUSY),
        ("attempt to write a readonly database", NOT_OURS),
        ("unable to open database file", NOT_OURS),
        ("database or disk is full", FULL),
        ("disk I/O error", FULL),
        ("no such table: charges_charge", BEHIND),
        ("integer overflow", TOO_LARGE),
        ("near SELECT: syntax error", None),
    ],
)
def test_what_doors_say(message: str, words: str | None) -> None:
    assert in_words(OperationalError(message)) == words
