"""What auditors and sponsors accept as the explanation of a correction, and when they ask for more."""

from datetime import UTC, date, datetime

import pytest
import time_machine

from charges.correcting.grounds import Grounds, charge_day, is_old, last_day_of, require_grounds
from periods.errors import Refused
from tests.make import make_charge, make_period

pytestmark = pytest.mark.django_db
EXPLANATION = "The nodes were tagged with the project of the group next door."
JUSTIFICATION = "The tags were audited only in June, when the award was closed out."
DAY_91 = "2025-05-02T12:00Z"  # after 31 January
TOO_SHORT = "in at least 40 characters of your own. Phrases such as “to correct an error” do not count."


def grounds(**given: str) -> Grounds:
    return Grounds(**{"cause": "payer", "explanation": EXPLANATION, "certifier": "Ada Lovelace", **given})


def january(**columns):
    whole = {
        "charge_period_start": datetime(2025, 1, 1, tzinfo=UTC),
        "charge_period_end": datetime(2025, 2, 1, tzinfo=UTC),
    }
    return make_charge(**{**whole, **columns})


@time_machine.travel("2025-02-20T12:00Z")
def test_grounds_are_kept_without_the_blanks_around_them():
    given = grounds(explanation=f"  {EXPLANATION}\n", certifier=" Ada Lovelace ", justification=" ")

    assert require_grounds(given, [january()]) == grounds()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "to correct error",
        "To correct an error. To correct an error. To correct an error.",
        "Correction of billing error, see above, as discussed, to correct the account.",
        "error error error error error error error error error",
        "Clerical error: the tag was wrong in January.",
    ],
)
def test_boilerplate_is_refused(text):
    with pytest.raises(Refused) as refusal:
        require_grounds(grounds(explanation=text), [])

    assert str(refusal.value) == f"Explain how the error came about, {TOO_SHORT}"


def test_a_usual_phrase_with_words_of_its_own_is_accepted():
    said = f"To correct an error: {EXPLANATION}"

    assert require_grounds(grounds(explanation=said), []).explanation == said


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"cause": "mood"}, "Say what was wrong."),
        ({"certifier": " "}, "Name the person who certifies the correction."),
    ],
)
def test_cause_and_certifier_are_asked_for(given, sentence):
    with pytest.raises(Refused) as refusal:
        require_grounds(grounds(**given), [])

    assert str(refusal.value) == sentence


@time_machine.travel(DAY_91)
def test_after_90_days_a_justification_is_asked_for():
    old = january()

    with pytest.raises(Refused) as refusal:
        require_grounds(grounds(justification="late"), [old])

    asked = "The charge is more than 90 days old: justify why it is corrected only now"
    assert str(refusal.value) == f"{asked}, {TOO_SHORT}"
    assert require_grounds(grounds(justification=JUSTIFICATION), [old]).justification == JUSTIFICATION


@pytest.mark.parametrize(("now", "answer"), [("2025-05-01T12:00Z", False), (DAY_91, True)])
def test_age_counts_from_the_last_day_of_use(now, answer):
    with time_machine.travel(now):
        assert is_old(january()) is answer


@pytest.mark.parametrize(
    ("columns", "last"),
    [
        ({}, date(2025, 1, 31)),
        ({"charge_period_end": datetime(2025, 1, 17, 15, 30, tzinfo=UTC)}, date(2025, 1, 17)),
        ({"charge_period_end": None}, date(2025, 1, 1)),
        ({"charge_period_start": None}, date(2025, 1, 31)),
        ({"charge_period_start": None, "late_month": "2024-11"}, date(2024, 11, 30)),
    ],
)
def test_last_day_of_use(columns, last):
    assert last_day_of(january(**columns)) == last


def test_a_charge_without_dates_is_of_the_first_day_of_its_month():
    assert charge_day(make_charge(period=make_period("2025-03"))) == date(2025, 3, 1)
