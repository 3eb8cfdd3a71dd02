"""Several files at once in the admin: guessed, shown, and loaded one delivery after another."""

import json
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.html import strip_tags

from charges.importing import import_files
from charges.importing.guessing import guess
from charges.models import Charge, FocusImport
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_closed, make_period, make_source

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


def load(browser, place: str, given: dict[str, str], **options):
    """The button that a preview offers: just what was previewed is loaded."""
    browser.post(place, given | {"preview": "1"})
    return browser.post(place, given | {"load": "1"}, **options)


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

    done = load(browser, place, answers(page), follow=True)
    assert sentences(done) == [
        "aws, 2025-01: 1 row is loaded, 0 held for review, 0 in quarantine.",
        "azure, 2025-02: 1 row is loaded, 0 held for review, 0 in quarantine.",
    ]
    assert Charge.objects.count() == 2


def test_a_name_too_long_for_the_disk_keeps_its_end(browser, tmp_path):
    path = write_focus(tmp_path / "a.csv.gz", focus_row(ProviderName="AWS"))
    file = SimpleUploadedFile("請" * 200 + ".csv.gz", path.read_bytes())

    place = browser.post(URL, {"files": [file]}).url
    load(browser, place, answers(browser.get(place)))

    assert FocusImport.objects.get().files.get().name == "請" * 82 + ".csv.gz"


def test_a_summary_says_what_becomes_of_every_file(browser, tmp_path):
    make_source("low", fall_threshold=1)
    here = write_focus(tmp_path / "here.csv", focus_row(ResourceId="here"))
    import_files([here], source_name="here")
    import_files([write_focus(tmp_path / "low.csv", focus_row(), focus_row())], source_name="low")
    files = [
        here,
        write_focus(tmp_path / "low.csv", focus_row()),
        write_focus(tmp_path / "new.csv", focus_row(tags={"fund_org": ""}), focus_row(BilledCost="x")),
        write_focus(tmp_path / "gone.csv", focus_row(BillingPeriodStart="soon")),
    ]
    place = upload(browser, *files).url

    page = browser.post(place, answers(browser.get(place), preview="1", **{"003-is_wanted": "on"}))

    cells = [[strip_tags(str(cell)) for cell in preview.cells] for preview in page.context["previews"]]
    assert cells == [
        ["here.csv", "Nothing: it is here already", "here", "2025-01", "1", "0", "0", "0"],
        [
            "low.csv", "It would be refused: The delivery has 50 % fewer rows of 2025-01 than the last one.", "low", "2025-01",
            "1", "0", "0", "-80.00 USD",
        ],
        ["new.csv", "It can be loaded", "new", "2025-01", "2", "1", "1", "+80.00 USD"],
        [
            "gone.csv", "No row can be used, and none says which month it is of: is this a FOCUS file?",
            "—", "—", "—", "—", "—", "—",
        ],
    ]  # fmt: skip


def test_quarantined_rows_of_a_preview_are_named_by_file_and_line(browser, tmp_path):
    files = [write_focus(tmp_path / f"hpc_{part}.csv", focus_row(BilledCost=cost)) for part, cost in enumerate("1x")]
    place = upload(browser, *files).url

    page = browser.post(place, answers(browser.get(place), preview="1"))

    [preview] = page.context["previews"]
    assert [(str(issue.file), issue.line_number) for issue in preview.delivery.issues] == [("hpc_1.csv", 2)]
    assert '<span class="ocb-name">hpc_1.csv</span>' in page.content.decode()


def test_files_of_one_source_are_one_delivery(browser, two):
    place = upload(browser, *two).url
    page = browser.get(place)

    load(browser, place, answers(page, **{"001-source_name": "aws"}))

    assert FocusImport.objects.get().files.count() == 2


@pytest.mark.parametrize("sent", [(0, 1), (0,)])
def test_files_with_their_manifest_are_loaded_whole_or_not_at_all(browser, tmp_path, sent):
    rows = [focus_row(ResourceId=f"i-{number}", ProviderName="AWS") for number in (1, 2)]
    files = [write_focus(tmp_path / f"export-{number}.csv.gz", row) for number, row in enumerate(rows, 1)]
    manifest = tmp_path / "export-Manifest.json"
    manifest.write_text(
        json.dumps({"dataFiles": [f"s3://bucket/exports/data/BILLING_PERIOD=2025-01/{file.name}" for file in files]})
    )

    place = upload(browser, manifest, *(files[at] for at in sent)).url
    page = browser.get(place)
    load(browser, place, answers(page, **{f"{number:03d}-source_name": "aws" for number in (1, 2)}))

    assert [file.path.name for file in page.context["files"]] == [files[at].name for at in sent]
    lacking = "export-Manifest.json lists 2 files, and of these are missing or cut short: export-2.csv.gz."
    assert sentences(page) == [f"The delivery is not whole: {lacking}"] * (2 - len(sent))
    assert Charge.objects.count() == (2 if len(sent) == len(files) else 0)


def test_a_listed_file_that_is_left_out_makes_no_whole(browser, two, tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"dataFiles": [path.name for path in two]}))
    place = upload(browser, *two, manifest).url
    given = answers(browser.get(place))
    given.pop("001-is_wanted")

    page = browser.post(place, given | {"preview": "1"})

    lacking = f"manifest.json lists 2 files, and of these are missing or cut short: {two[1].name}."
    assert sentences(page) == [f"The delivery is not whole: {lacking}"]
    assert not page.context["may_load"]


def test_one_file_is_not_that_of_two_manifests(browser, tmp_path):
    path = write_focus(tmp_path / "export-00001.csv", focus_row())
    for month in ("01", "02"):
        listed = f"exports/data/BILLING_PERIOD=2025-{month}/{path.name}"
        (tmp_path / f"{month}-Manifest.json").write_text(json.dumps({"dataFiles": [listed]}))

    page = browser.get(upload(browser, path, *sorted(tmp_path.glob("*.json"))).url)

    assert len(sentences(page)) == 1


def test_a_refused_file_keeps_no_other_from_being_loaded(browser, two, tmp_path):
    (tmp_path / "broken.csv").write_text("no,bill\n")
    place = upload(browser, *two, tmp_path / "broken.csv").url
    page = browser.get(place)
    assert (
        page.context["files"][2].guess.problem
        == "broken.csv: This is no FOCUS file: it has no column BillingPeriodStart, its first line is “no, bill”."
    )

    left = load(browser, place, answers(page, **{"002-is_wanted": "on"}), follow=True)

    assert (
        sentences(left)[-1]
        == "broken.csv: This is no FOCUS file: it has no column BillingPeriodStart, its first line is “no, bill”."
    )
    assert [file.path.name for file in left.context["files"]] == ["broken.csv"]
    assert FocusImport.objects.loaded().count() == 2


def test_confirming_twice_loads_nothing_twice(browser, two):
    place = upload(browser, *two).url
    page = browser.get(place)

    load(browser, place, answers(page))
    load(browser, place, answers(page))

    assert Charge.objects.count() == 2


def test_an_unwanted_file_is_dropped(browser, two):
    place = upload(browser, *two).url
    given = answers(browser.get(place))
    del given["001-is_wanted"]

    load(browser, place, given)

    assert [str(charge.source) for charge in Charge.objects.all()] == ["aws"]


def test_only_the_one_who_uploaded_sees_the_files(browser, two, reviewer, client, django_user_model):
    place = upload(browser, *two).url
    other = django_user_model.objects.create_superuser("other")
    client.force_login(other)

    assert client.get(place).status_code == 404
    assert client.get(f"{URL}{'0' * 32}/").status_code == 404


def test_the_list_of_imports_leads_here_those_who_may_load(client, auditor, billing_admin):
    client.force_login(billing_admin)
    assert f'href="{URL}"' in client.get("/admin/charges/focusimport/").content.decode()

    client.force_login(auditor)
    assert f'href="{URL}"' not in client.get("/admin/charges/focusimport/").content.decode()


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
        ("it_storage_2025-01.csv", {}, "it_storage"),
        ("storage-tape-2025-01.csv", {}, "storage-tape"),
        ("Storage 2025-01-31.csv", {}, "storage"),
        ("focus_storage_export_2025-01_0001.csv.gz", {}, "storage"),
        ("our.storage.csv", {}, "our"),
        ("hpc2_202501.csv", {}, "hpc2"),
        ("hpc3_202501.csv", {}, "hpc3"),
        ("lab_1_2025-02.csv", {}, "Lab 1"),
        ("lab_2_2025-02.csv", {}, "lab"),
        ("aws-6c1f1f0e-1111-4222-8333-0123456789ab.csv", {}, "aws"),
    ],
)
def test_the_source_is_guessed(tmp_path, name, columns, source):
    for known in ("cluster", "storage", "hpc2", "Lab 1"):
        make_source(known)

    assert guess(write_focus(tmp_path / name, focus_row(**columns)), name).source == source


def test_a_file_of_a_like_name_tells_the_source(tmp_path):
    import_files([write_focus(tmp_path / "part-2025-01.csv", focus_row())], source_name="our storage")

    assert guess(write_focus(tmp_path / "part-2025-02.csv", focus_row()), "part-2025-02.csv").source == "our storage"


def test_nothing_is_loaded_that_was_not_previewed(browser, two):
    place = upload(browser, *two).url
    page = browser.get(place)

    browser.post(place, answers(page, load="1"))
    browser.post(place, answers(page, preview="1"))
    shown = browser.post(place, answers(page, load="1", **{"001-source_name": "another"}))

    assert not FocusImport.objects.exists()
    assert [preview.delivery.source for preview in shown.context["previews"]] == ["aws", "another"]


def test_two_deliveries_of_one_month_are_refused(browser, tmp_path):
    files = [write_focus(tmp_path / f"{name}.csv", focus_row(ResourceId=name)) for name in "ab"]
    place = upload(browser, *files).url
    page = browser.get(place)
    given = answers(page, **{"000-source_name": "aws", "001-source_name": "AWS", "001-period": "2025-01"})

    shown = browser.post(place, given | {"preview": "1"})
    done = browser.post(place, given | {"load": "1"})

    sentence = (
        "a.csv and b.csv would be two deliveries of AWS for 2025-01, and the second would replace the first. "
        "Give all of them the same month, or none."
    )
    assert sentences(shown) == [sentence]
    assert sentences(done) == [sentence]
    assert b"Load what can be loaded" not in shown.content
    assert not FocusImport.objects.exists()


def test_late_differences_go_where_it_is_said(browser, tmp_path):
    import_files([write_focus(tmp_path / "jan.csv", focus_row())], source_name="aws")
    make_closed(make_period("2025-01"))
    make_period("2025-02")
    late = write_focus(tmp_path / "late.csv", focus_row(), focus_row(ResourceId="new"))
    place = upload(browser, late).url
    given = answers(browser.get(place), **{"000-source_name": "aws"})

    refused = browser.post(place, given | {"preview": "1"})
    assert [bool(preview.problem) for preview in refused.context["previews"]] == [True]

    shown = browser.post(place, given | {"preview": "1", "late_to": "2025-02"})
    assert [delivery["due"] for delivery in shown.context["previews"][0].delivery.late_months] == ["80"]
    load(browser, place, given | {"late_to": "2025-02"})

    assert [(c.period.month, c.late_month) for c in Charge.objects.order_by("pk")] == [
        ("2025-01", ""), ("2025-02", "2025-01"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("earlier", "name", "source"),
    [
        ("hpc2.csv", "hpc3.csv", "hpc3"),
        ("scratch2_2025-01.csv", "scratch2_2025-02.csv", "tape"),
        ("out-000123-v2.csv", "out-000124-v2.csv", "tape"),
    ],
)
def test_a_number_within_a_word_is_part_of_a_name(tmp_path, earlier, name, source):
    import_files([write_focus(tmp_path / earlier, focus_row())], source_name="tape")

    assert guess(write_focus(tmp_path / name, focus_row()), name).source == source
