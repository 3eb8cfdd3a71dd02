"""Thresholds and the allow-list: set in the admin, uploaded as a spreadsheet, and what they hold."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from charges.flags import FLAGS
from charges.importing import import_files
from charges.models import AllowedFund, Charge, ReviewSettings
from tests.charges.focus_files import focus_row, write_focus

pytestmark = pytest.mark.django_db
PAGE = "/admin/charges/reviewsettings/1/change/"
UPLOAD = "/admin/charges/allowedfund/import/"
AS_SET = {"unusual_times": "3", "unusual_amount": "100", "aging_days": "60", "has_allow_list": ""}


@pytest.fixture
def office(client, billing_admin):
    client.force_login(billing_admin)
    return client


def reasons(tmp_path: Path, **row: Any) -> dict[str, str]:
    import_files([write_focus(tmp_path / "a.csv", focus_row(**row))], source_name="cluster")
    return Charge.objects.current().get().flags


def test_the_settings_are_one_page(office):
    for _ in range(2):
        assert office.get("/admin/charges/reviewsettings/").url == PAGE

    page = office.get(PAGE).content.decode()
    assert ReviewSettings.objects.count() == 1
    assert [flag.name for flag in FLAGS if f"flag={flag.name}" not in page or flag.label not in page] == []


def test_a_change_is_kept_with_its_author(office, billing_admin):
    office.get("/admin/charges/reviewsettings/")

    office.post(PAGE, {**AS_SET, "aging_days": "", "unusual_amount": "12.50"})

    settings = ReviewSettings.in_force()
    assert (settings.aging_days, str(settings.unusual_amount.normalize())) == (None, "12.5")
    latest = ReviewSettings.history.first()
    assert (latest.history_user, latest.aging_days) == (billing_admin, None)


def test_settings_stand_in_one_row_only():
    with pytest.raises(Exception, match="review_settings_stand_once"):
        ReviewSettings.objects.bulk_create([ReviewSettings(pk=2)])


@pytest.mark.parametrize(
    ("day", "days", "reason"),
    [
        ("2024-11-02", 60, None),
        ("2024-11-01", 60, {"aging": "It is of 2024-11-01, long before January 2025."}),
        ("2024-11-01", 61, None),
        ("2019-01-01", None, None),
        ("2025-01-31", 0, None),
    ],
)
def test_a_charge_older_than_the_set_days_is_held(tmp_path, day, days, reason):
    ReviewSettings.objects.create(aging_days=days)

    assert reasons(tmp_path, ChargePeriodStart=day, ChargePeriodEnd=f"{day[:8]}28") == (reason or {})


LISTED = {"valid_from": date(2025, 1, 5), "valid_until": date(2025, 1, 20)}


@pytest.mark.parametrize(
    ("listed", "day", "reason"),
    [
        ({}, "2025-01-04", None),
        (None, "2025-01-04", "NSF-1 is not in the allow-list."),
        (LISTED, "2025-01-04", "The allow-list has NSF-1 from 2025-01-05 on; the charge is of 2025-01-04."),
        (LISTED, "2025-01-05", None),
        (LISTED, "2025-01-20", None),
        (LISTED, "2025-01-21", "The allow-list has NSF-1 until 2025-01-20; the charge is of 2025-01-21."),
    ],
)
def test_a_fund_must_be_allowed_on_the_day_of_the_charge(tmp_path, listed, day, reason):
    ReviewSettings.objects.create(has_allow_list=True)
    if listed is not None:
        AllowedFund.objects.create(code="NSF-1", **listed)

    found = reasons(tmp_path, tags={"fund_org": "NSF-1"}, ChargePeriodStart=day, ChargePeriodEnd="2025-02-01")

    assert found == ({"fund_unlisted": reason} if reason else {})


def test_a_list_that_is_not_switched_on_holds_nothing(tmp_path):
    AllowedFund.objects.create(code="another")

    assert reasons(tmp_path) == {}


def test_a_fund_that_is_named_must_be_allowed_though_nothing_is_due(tmp_path):
    ReviewSettings.objects.create(has_allow_list=True)

    assert list(reasons(tmp_path, EffectiveCost="0")) == ["fund_unlisted"]


def test_nothing_due_needs_no_fund(tmp_path):
    ReviewSettings.objects.create(has_allow_list=True)

    assert reasons(tmp_path, EffectiveCost="0", tags={"fund_org": ""}) == {}


def upload(office: Any, text: str) -> Any:
    """Preview, then confirm."""
    preview = office.post(UPLOAD, {"format": "0", "import_file": SimpleUploadedFile("funds.csv", text.encode())})
    if not (form := preview.context.get("confirm_form")):
        return preview
    return office.post("/admin/charges/allowedfund/process_import/", form.initial)


def test_thousands_of_codes_come_by_spreadsheet_and_come_again_changed(office, billing_admin):
    lines = [f"F-{n},,2025-01-01,2025-12-31" for n in range(3000)]

    with CaptureQueriesContext(connection) as queries:
        upload(office, "\n".join(["code,description,valid_from,valid_until", *lines]))
    assert len(queries) < 200
    upload(
        office, "code,description,valid_from,valid_until\nF-1,Ended,2025-01-01,2025-06-30\nF-2,,2025-01-01,2025-12-31\n"
    )

    ended = AllowedFund.objects.get(code="F-1")
    assert (AllowedFund.objects.count(), ended.description, ended.valid_until) == (3000, "Ended", date(2025, 6, 30))
    assert [(h.history_type, h.history_user) for h in ended.history.all()] == [
        ("~", billing_admin),
        ("+", billing_admin),
    ]
    assert AllowedFund.history.count() == 3001


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("F-1,,2025-12-31,2025-01-01", "The last valid day is before the first."),
        (",Gift,,", "This field cannot be blank."),
        ("F-1,,,\nF-1,,,", "F-1 stands twice in the file."),
        ("F-1,,soon,", "is no date as 2026-12-31 is one."),
    ],
)
def test_a_list_with_a_mistake_is_refused_whole(office, row, sentence):
    page = upload(office, f"code,description,valid_from,valid_until\n{row}\n").content.decode()

    assert sentence in page
    assert AllowedFund.objects.count() == 0


def test_the_upload_says_how_many_codes_there_are_now(office):
    response = upload(office, "code\nF-1\nF-2\n")

    [message] = get_messages(response.wsgi_request)
    assert "2 new" in str(message)


def test_the_preview_counts_all_and_shows_the_first_that_change(office):
    upload(office, "\n".join(["code,description", *(f"F-{n}," for n in range(3000))]))
    again = "\n".join(["code,description", *(f"F-{n}," for n in range(2900)), *(f"G-{n},New" for n in range(60))])

    page = office.post(UPLOAD, {"format": "0", "import_file": SimpleUploadedFile("funds.csv", again.encode())})

    text = page.content.decode()
    assert "60 new, 0 changed, 2,900 as they are" in text
    assert "… and 10 more" in text
    assert ("F-1" in text, text.count("<td>New</td>")) == (False, 50)
