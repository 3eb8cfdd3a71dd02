"""The upload page is django-import-export's flow with the engine underneath: upload, preview, confirm."""

import re
from html import unescape
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from charges.importing import import_files, reverse
from charges.models import Charge, FocusImport, ImportIssue
from periods.lifecycle import close_period
from periods.models import AuditEntry, BillingPeriod
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_finalized, make_import, make_period, make_source

pytestmark = pytest.mark.django_db
URL = "/admin/charges/focusimport/import/"
CONFIRM = "/admin/charges/focusimport/process_import/"


@pytest.fixture
def browser(client: Client, billing_admin: User) -> Client:
    client.force_login(billing_admin)
    return client


def upload(browser: Client, path: Path, **fields: str) -> HttpResponse:
    file = SimpleUploadedFile(path.name, path.read_bytes())
    return browser.post(
        URL, {"import_file": file, "source_name": "aws", "period": "", "format": "0", "resource": "0", **fields}
    )


def confirm(browser: Client, preview: HttpResponse) -> HttpResponse:
    return browser.post(CONFIRM, preview.context["confirm_form"].initial, follow=True)


def sentences(response: HttpResponse) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def test_preview_shows_what_would_happen_and_changes_nothing(browser: Client, tmp_path: Path) -> None:
    path = write_focus(tmp_path / "jan.csv", focus_row(), focus_row(tags={"fund_org": ""}), focus_row(BilledCost="x"))

    delivery = upload(browser, path).context["result"].delivery

    assert (delivery.rows, delivery.loaded, delivery.quarantined, delivery.added) == (3, 2, 1, 2)
    assert delivery.flags_in_words == [("No fund", 1)]
    assert [(issue.line_number, issue.sentence[:14]) for issue in delivery.issues] == [(4, "BilledCost is ")]
    assert not FocusImport.objects.exists()
    assert not Charge.objects.exists()


def test_confirming_loads_the_file_under_its_own_name_and_forgets_the_upload(
    browser: Client, tmp_path: Path, home: Path, billing_admin: User
) -> None:
    path = write_focus(tmp_path / "jan.csv.gz", focus_row(), focus_row(BilledCost="x"))

    page = confirm(browser, upload(browser, path))

    loaded = FocusImport.objects.get()
    assert page.redirect_chain == [(f"/admin/charges/focusimport/{loaded.pk}/change/", 302)]
    assert sentences(page) == ["aws, 2025-01: 1 row is loaded, 0 held for review, 1 in quarantine."]
    assert (loaded.state, loaded.created_by, loaded.files.get().name) == ("loaded", billing_admin, "jan.csv.gz")
    assert list((home / "uploads").iterdir()) == []


def test_a_source_that_is_not_given_is_guessed_and_confirmed_as_previewed(browser: Client, tmp_path: Path) -> None:
    preview = upload(browser, write_focus(tmp_path / "hpc_2025-01.csv", focus_row()), source_name="")
    assert preview.context["result"].delivery.source == "hpc"

    make_source("hpc 2025 01")
    page = confirm(browser, preview)

    assert sentences(page) == ["hpc, 2025-01: 1 row is loaded, 0 held for review, 0 in quarantine."]


def test_a_file_loaded_already_says_so(browser: Client, tmp_path: Path) -> None:
    path = write_focus(tmp_path / "jan.csv", focus_row())
    earlier = import_files([path], source_name="aws").focus_import

    page = confirm(browser, upload(browser, path))

    assert sentences(page) == [f"aws, 2025-01: nothing to do, {earlier} holds the same already."]


def test_what_the_engine_refuses_stands_on_the_page(browser: Client, tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("a,b\n1,2\n")

    page = upload(browser, path)

    assert [str(error.error) for error in page.context["result"].base_errors] == [
        "notes.csv: This is no FOCUS file: it has no column BillingPeriodStart, its first line is “a, b”."
    ]
    assert "confirm_form" not in page.context


def test_a_month_closed_between_preview_and_confirm_is_refused(browser: Client, tmp_path: Path) -> None:
    import_files([write_focus(tmp_path / "a.csv", focus_row())], source_name="aws")
    preview = upload(browser, write_focus(tmp_path / "b.csv", focus_row(EffectiveCost="1")))
    close_period(BillingPeriod.objects.get())

    page = confirm(browser, preview)

    assert sentences(page)[0].startswith(
        "January 2025 is closed, and this delivery differs from what it holds: nothing"
    )
    assert Charge.objects.current().get().due_amount == 80


def test_an_upload_is_confirmed_once(browser: Client, tmp_path: Path) -> None:
    preview = upload(browser, write_focus(tmp_path / "a.csv", focus_row()))
    confirm(browser, preview)

    page = confirm(browser, preview)

    assert sentences(page) == ["The upload is gone: it was confirmed already, or is older than a day. Upload it again."]


@pytest.mark.parametrize("name", ["../../db.sqlite3", "", "0" * 32, "x"])
def test_a_forged_name_reads_no_other_file(browser: Client, name: str, tmp_path: Path) -> None:
    preview = upload(browser, write_focus(tmp_path / "a.csv", focus_row()))
    forged = preview.context["confirm_form"].initial | {"import_file_name": name}

    browser.post(CONFIRM, forged)

    assert not FocusImport.objects.exists()


def test_a_wrong_month_is_a_field_error(browser: Client, tmp_path: Path) -> None:
    page = upload(browser, write_focus(tmp_path / "a.csv", focus_row()), period="January")

    assert page.context["form"].errors["period"] == ["'January' is no period: give YYYY-MM, current or previous."]


def test_the_received_file_is_downloaded_as_it_came(client: Client, auditor: User, tmp_path: Path) -> None:
    path = write_focus(tmp_path / "jan.csv", focus_row())
    loaded = import_files([path], source_name="aws").focus_import
    client.force_login(auditor)

    page = client.get(f"/admin/charges/focusimport/{loaded.pk}/file/0/")

    assert b"".join(page.streaming_content) == path.read_bytes()
    assert client.get(f"/admin/charges/focusimport/{loaded.pk}/file/1/").status_code == 404


def test_quarantined_rows_are_discarded_with_a_reason(browser: Client, tmp_path: Path, billing_admin: User) -> None:
    path = write_focus(tmp_path / "jan.csv", focus_row(), focus_row(BilledCost="x"), focus_row(BilledCost="y"))
    loaded = import_files([path], source_name="aws").focus_import
    first, second = ImportIssue.objects.all()

    browser.post(f"/admin/charges/importissue/{first.pk}/step/discard/", {"reason": "A header repeated inside"})
    browser.post(
        f"/admin/charges/focusimport/{loaded.pk}/step/discard-rows/", {"reason": "The provider's own test row"}
    )

    decided = list(ImportIssue.objects.values_list("status", "reason", "decided_by"))
    assert decided == [
        ("discarded", "A header repeated inside", billing_admin.pk),
        ("discarded", "The provider's own test row", billing_admin.pk),
    ]
    assert [entry.before for entry in AuditEntry.objects.filter(action="discard rows").order_by("pk")] == [
        {"open": [first.pk]},
        {"open": [second.pk]},
    ]


@pytest.mark.parametrize(("kind", "offered"), [("delivery", ["Reverse"]), ("carried", [])])
def test_only_a_delivery_offers_to_be_reversed(browser: Client, kind: str, offered: list[str]) -> None:
    focus_import = make_import(make_period(), make_source(), kind=kind)

    page = browser.get(f"/admin/charges/focusimport/{focus_import.pk}/change/")

    assert [button["step"].label for button in page.context["buttons"]] == offered


def test_what_was_followed_by_another_is_not_offered_to_be_reversed(browser: Client, tmp_path: Path) -> None:
    first, second, third = (
        import_files([write_focus(tmp_path / "a.csv", focus_row(EffectiveCost=cost))], source_name="aws").focus_import
        for cost in "123"
    )
    place = f"/admin/charges/focusimport/{first.pk}/"

    page = browser.get(f"{place}change/")

    assert page.context["buttons"] == []
    assert f">{third}</a>, which speaks for the same months" in page.content.decode()
    assert sentences(browser.get(f"{place}step/reverse/", follow=True)) == [
        f"“Reverse” is not possible for {first} now."
    ]

    reverse(third, reason="The wrong file was sent")
    page = browser.get(f"/admin/charges/focusimport/{second.pk}/change/")
    assert [button["step"].label for button in page.context["buttons"]] == ["Reverse"]


def charge_lists(browser: Client, focus_import: FocusImport) -> dict[str, int]:
    """The links of an import's page to lists of charges, and how many charges each list shows."""
    page = browser.get(f"/admin/charges/focusimport/{focus_import.pk}/change/").content.decode()
    links = re.findall(r'href="(/admin/charges/charge/\?[^"]+)">([^<]+)</a>', page)
    return {words: browser.get(unescape(address)).context["cl"].result_count for address, words in links}


def test_the_page_of_an_import_leads_to_its_charges(browser: Client, tmp_path: Path) -> None:
    february = focus_row(BillingPeriodStart="2025-02-01")
    rows = [focus_row(ResourceId="i-1"), focus_row(ResourceId="i-2"), focus_row(ResourceId="i-3"), february]
    restated = [focus_row(ResourceId="i-1", EffectiveCost="1"), *rows[1:]]
    first, second = (
        import_files([write_focus(tmp_path / "a.csv", *of_file)], source_name="aws").focus_import
        for of_file in (rows, restated)
    )

    assert charge_lists(browser, first) == {
        "2 charges of 2025-01": 2,
        "1 of 2025-01 superseded since": 1,
        "1 charge of 2025-02": 1,
    }
    assert charge_lists(browser, second) == {"1 charge of 2025-01": 1}

    reverse(second, reason="The wrong file was sent")
    assert charge_lists(browser, second) == {}

    make_finalized(BillingPeriod.objects.get(month="2025-02"))
    assert charge_lists(browser, first) == {"3 charges of 2025-01": 3, "1 charge of 2025-02": 1}


def test_the_list_says_held_for_review_as_other_pages_do(browser: Client) -> None:
    make_import(make_period(), make_source("a" * 60), flagged=7)

    page = browser.get("/admin/charges/focusimport/")

    assert [page.context["cl"].model_admin.held(row) for row in page.context["cl"].result_list] == [7]
    assert "Held for review" in page.content.decode()
    assert "Flagged" not in page.content.decode()
    assert f'<span class="ocb-name">{"a" * 60}</span>' in page.content.decode()


def test_late_differences_go_where_it_is_said(browser: Client, tmp_path: Path) -> None:
    import_files([write_focus(tmp_path / "a.csv", focus_row())], source_name="aws")
    close_period(BillingPeriod.objects.get())
    make_period("2025-02")
    late = write_focus(tmp_path / "b.csv", focus_row(EffectiveCost="81"))

    preview = upload(browser, late, late_to="2025-02")
    page = confirm(browser, preview)

    assert preview.context["result"].delivery.late_months[0]["due"] == "1"
    assert sentences(page) == [
        (
            "aws, 2025-01, 2025-02: 1 row is loaded, 1 held for review, 0 in quarantine. "
            "2025-01 is closed: the difference of +1.00 USD due is loaded into 2025-02, as 2 charges."
        )
    ]
    assert sorted(Charge.objects.filter(period__month="2025-02").values_list("kind", flat=True)) == ["late", "reversal"]


def test_of_a_late_file_only_what_was_written_is_told_as_loaded(browser: Client, tmp_path: Path) -> None:
    rows = [focus_row(ResourceId=f"i-{number}") for number in range(13)]
    import_files([write_focus(tmp_path / "a.csv", *rows)], source_name="aws")
    close_period(BillingPeriod.objects.get())
    make_period("2025-02")
    late = [focus_row(ResourceId="i-0", EffectiveCost="81"), *rows[2:], focus_row(ResourceId="new")]

    page = confirm(browser, upload(browser, write_focus(tmp_path / "b.csv", *late), late_to="2025-02"))

    assert sentences(page) == [
        (
            "aws, 2025-01, 2025-02: 2 rows are loaded, 11 unchanged, 1 gone, 2 held for review, 0 in quarantine. "
            "2025-01 is closed: the difference of +1.00 USD due is loaded into 2025-02, as 4 charges."
        )
    ]
    assert Charge.objects.filter(period__month="2025-02").count() == 4


def test_of_a_restated_month_the_unchanged_rows_are_told_apart(browser: Client, tmp_path: Path) -> None:
    rows = [focus_row(ResourceId=f"i-{number}") for number in range(3)]
    import_files([write_focus(tmp_path / "a.csv", *rows)], source_name="aws")

    page = confirm(browser, upload(browser, write_focus(tmp_path / "b.csv", focus_row(ResourceId="new"), rows[0])))

    assert sentences(page) == [
        "aws, 2025-01: 1 row is loaded, 1 unchanged, 2 gone, 0 held for review, 0 in quarantine."
    ]


def test_a_month_closed_meanwhile_takes_no_late_differences(browser: Client, tmp_path: Path) -> None:
    import_files([write_focus(tmp_path / "a.csv", focus_row())], source_name="aws")
    close_period(BillingPeriod.objects.get())
    february = make_period("2025-02")
    preview = upload(browser, write_focus(tmp_path / "b.csv", focus_row(EffectiveCost="81")), late_to="2025-02")
    close_period(february)

    assert sentences(confirm(browser, preview)) == ["February 2025 is closed: late differences need an open month."]


def test_the_page_of_an_import_says_which_rows_are_in_no_total(browser: Client, tmp_path: Path) -> None:
    unreadable, undated = focus_row(BilledCost="x"), focus_row(ChargePeriodStart="x")
    confirm(browser, upload(browser, write_focus(tmp_path / "a.csv", focus_row(), unreadable, undated)))

    page = browser.get(f"/admin/charges/focusimport/{FocusImport.objects.get().pk}/change/").content.decode()

    assert "File = loaded + quarantined, in every column. 1 row without readable amounts: in none of them." in page


def test_the_page_of_a_kept_file_says_what_the_file_says(browser: Client, tmp_path: Path) -> None:
    make_source("aws", late_policy="keep")
    import_files([write_focus(tmp_path / "a.csv", focus_row())], source_name="aws")
    close_period(BillingPeriod.objects.get())
    kept = import_files(
        [write_focus(tmp_path / "b.csv", focus_row(EffectiveCost="81"))], source_name="aws"
    ).focus_import
    assert kept

    page = browser.get(f"/admin/charges/focusimport/{kept.pk}/change/").content.decode()

    assert "File = loaded + quarantined + late, in every column." in page
    assert '<th scope="col" class="amount">Late</th>' in page


def offered(page: HttpResponse) -> list[str]:
    """The buttons of a preview that do something."""
    text = page.content.decode()
    return [label for label in ("Load this file", "Keep this file") if label in text]


def test_a_preview_offers_what_it_can_do(browser: Client, tmp_path: Path) -> None:
    make_source("aws", late_policy="keep", fall_threshold=10)
    loaded = write_focus(tmp_path / "a.csv", focus_row())
    assert offered(upload(browser, loaded)) == ["Load this file"]

    import_files([loaded], source_name="aws")
    broken = write_focus(tmp_path / "c.csv", focus_row(BilledCost="x"))
    assert offered(upload(browser, broken, force="on")) == ["Load this file"]
    fallen = write_focus(tmp_path / "b.csv", focus_row(EffectiveCost="1"))
    assert offered(upload(browser, loaded)) == []
    assert offered(upload(browser, fallen)) == []
    assert offered(upload(browser, fallen, force="on")) == ["Load this file"]

    close_period(BillingPeriod.objects.get())
    assert offered(upload(browser, fallen, force="on")) == ["Keep this file"]


def test_a_kept_file_is_told_as_such(browser: Client, tmp_path: Path) -> None:
    make_source("aws", late_policy="keep")
    import_files([write_focus(tmp_path / "a.csv", focus_row())], source_name="aws")
    close_period(BillingPeriod.objects.get())

    page = confirm(browser, upload(browser, write_focus(tmp_path / "b.csv", focus_row(EffectiveCost="79.5"))))

    assert sentences(page) == [
        (
            "aws, 2025-01: 0 rows are loaded, 0 held for review, 0 in quarantine. "
            "2025-01 is closed: the difference of -0.50 USD due is kept, not loaded."
        )
    ]


def test_a_source_that_nobody_knows_is_called_new(browser: Client, tmp_path: Path) -> None:
    path = write_focus(tmp_path / "a.csv", focus_row())
    assert b"aws (a new source), 2025-01: 1 row, of which 1 can be loaded" in upload(browser, path).content

    make_source("aws")
    assert b"aws, 2025-01: 1 row, of which 1 can be loaded" in upload(browser, path, source_name="AWS").content
