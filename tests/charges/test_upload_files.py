"""Several files at once in the admin: guessed, shown, and loaded one delivery after another."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from charges.importing import import_files
from charges.importing.guessing import guess
from charges.models import Charge, FocusImport
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_source

pytestmark = pytest.mark.django_db
URL = "/admin/charges/focusimport/files/"


@pytest.fixture
def browser(client, billing_admin):
    client.force_login(billing_admin)
    return client


def upload(browser, *paths: Path):
    files = [SimpleUploadedFile(path.name, path.read_bytes()) for path in paths]
    return browser.post(URL, {"files": files})


def answers(page, **changes: str) -> dict[str, str]:
    """What the form shows, as a browser would send it."""
    given = {}
    for file in page.context["files"]:
        for name, field in file.form.fields.items():
            value = file.form.get_initial_for_field(field, name)
            if value:
                given[file.form.add_prefix(name)] = "on" if value is True else value
    return given | changes


def sentences(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.fixture
def two(tmp_path):
    return [
        write_focus(tmp_path / "aws-2025-01.csv", focus_row(ProviderName="AWS")),
        write_focus(tmp_path / "export.csv", focus_row(ProviderName="Microsoft", ResourceId="vm", BillingPeriodStart="2025-02-01")),
    ]  # fmt: skip


def test_each_file_is_guessed_previewed_and_loaded(browser, two):
    place = upload(browser, *two).url
    page = browser.get(place)
    assert [(f.path.name, f.guess.source, f.guess.months) for f in page.context["files"]] == [
        ("aws-2025-01.csv", "aws", ["2025-01"]),
        ("export.csv", "azure", ["2025-02"]),
    ]

    preview = browser.post(place, answers(page, preview="1"))
    assert [(p.delivery.source, p.delivery.loaded) for p in preview.context["previews"]] == [("aws", 1), ("azure", 1)]
    assert not FocusImport.objects.exists()

    done = browser.post(place, answers(page, load="1"), follow=True)
    assert sentences(done) == [
        "aws, 2025-01: 1 row is loaded, 0 held for review, 0 in quarantine.",
        "azure, 2025-02: 1 row is loaded, 0 held for review, 0 in quarantine.",
    ]
    assert Charge.objects.count() == 2


def test_files_of_one_source_are_one_delivery(browser, two):
    place = upload(browser, *two).url
    page = browser.get(place)

    browser.post(place, answers(page, load="1", **{"001-source_name": "aws"}))

    assert FocusImport.objects.get().files.count() == 2


def test_a_refused_file_keeps_no_other_from_being_loaded(browser, two, tmp_path):
    (tmp_path / "broken.csv").write_text("no,bill\n")
    place = upload(browser, *two, tmp_path / "broken.csv").url
    page = browser.get(place)
    assert page.context["files"][2].guess.problem == "This is no FOCUS file: it has no column BillingPeriodStart."

    left = browser.post(place, answers(page, load="1", **{"002-is_wanted": "on"}), follow=True)

    assert sentences(left)[-1] == "broken.csv: This is no FOCUS file: it has no column BillingPeriodStart."
    assert [file.path.name for file in left.context["files"]] == ["broken.csv"]
    assert FocusImport.objects.loaded().count() == 2


def test_confirming_twice_loads_nothing_twice(browser, two):
    place = upload(browser, *two).url
    page = browser.get(place)

    browser.post(place, answers(page, load="1"))
    browser.post(place, answers(page, load="1"))

    assert Charge.objects.count() == 2


def test_an_unwanted_file_is_dropped(browser, two):
    place = upload(browser, *two).url
    given = answers(browser.get(place), load="1")
    del given["001-is_wanted"]

    browser.post(place, given)

    assert [str(charge.source) for charge in Charge.objects.all()] == ["aws"]


def test_only_the_one_who_uploaded_sees_the_files(browser, two, reviewer, client, django_user_model):
    place = upload(browser, *two).url
    other = django_user_model.objects.create_superuser("other")
    client.force_login(other)

    assert client.get(place).status_code == 404
    assert client.get(f"{URL}{'0' * 32}/").status_code == 404


def test_only_those_who_may_load_may_upload(client, auditor, two):
    client.force_login(auditor)

    assert client.get(URL).status_code == 403
    assert upload(client, *two).status_code == 403


def test_no_file_at_all_is_asked_for_again(browser):
    response = browser.post(URL, {})

    assert sentences(response) == ["Choose 1 to 100 files."]


@pytest.mark.parametrize(
    ("name", "columns", "source"),
    [
        ("cluster_2025-02.csv", {}, "cluster"),
        ("whatever.csv", {"ProviderName": "Amazon Web Services"}, "aws"),
        ("whatever.csv", {"ServiceProviderName": "Google Cloud", "ProviderName": "x"}, "gcp"),
        ("hpc_2025-01.csv", {}, "hpc"),
        ("2025.csv", {}, "unnamed"),
    ],
)
def test_the_source_is_guessed(tmp_path, name, columns, source):
    make_source("cluster")

    assert guess(write_focus(tmp_path / name, focus_row(**columns)), name).source == source


def test_a_file_of_a_like_name_tells_the_source(tmp_path):
    import_files([write_focus(tmp_path / "part-2025-01.csv", focus_row())], source_name="our storage")

    assert guess(write_focus(tmp_path / "part-2025-02.csv", focus_row()), "part-2025-02.csv").source == "our storage"
