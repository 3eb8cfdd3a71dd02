"""The row as it was delivered is one click from the charge, whatever the charge stores of it."""

import gzip

import pytest

from charges.importing import correct_row, import_files, received_path
from charges.importing.raw import raw_row
from charges.models import Charge, ImportIssue, ReceivedFile, Source
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_charge

pytestmark = pytest.mark.django_db


@pytest.fixture
def charge(tmp_path):
    rows = [focus_row(ResourceName="a\nb"), focus_row(ResourceId="wanted", x_Operation="None", RegionId="eu-1")]
    import_files([write_focus(tmp_path / "jan.csv.gz", *rows)], source_name="aws")
    return Charge.objects.get(resource_id="wanted")


def page_of(charge):
    return f"/admin/charges/charge/{charge.pk}/delivered/"


def test_every_column_is_there_as_it_came(charge):
    row = raw_row(charge.file, charge.line_number)

    assert (charge.line_number, row["ResourceId"]) == (4, "wanted")
    assert (row["x_Operation"], row["RegionId"], row["EffectiveCost"]) == ("None", "eu-1", "80.00")


def test_a_line_that_is_not_there_is_empty(charge):
    assert raw_row(charge.file, 400) == {}


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_every_row_is_found_at_its_line_whatever_stands_between(tmp_path, suffix):
    """Blank lines above the header and below it, cells of several lines, all three ways to end a line."""
    names = [f"node-{number}" for number in range(9)]
    rows = [focus_row(ResourceId=name, ResourceName="a\r\nb\rc\n" * (number % 3)) for number, name in enumerate(names)]
    path = write_focus(tmp_path / "plain.csv", *rows)
    text = path.read_bytes().decode()
    odd = tmp_path / f"odd.{suffix}"
    content = ("\n\r\n" + text.replace("\r\n2025", "\r\n\n2025")).encode()
    odd.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)

    import_files([odd], source_name="aws")

    charges = Charge.objects.order_by("line_number").select_related("file__focus_import__source")
    assert [raw_row(charge.file, charge.line_number)["ResourceId"] for charge in charges] == names
    assert [raw_row(charge.file, charge.line_number - 1) == {} for charge in charges][1:] == [True] * 8


def test_it_is_read_as_it_was_whatever_the_source_says_now(tmp_path):
    Source.objects.create(name="cluster", encoding="latin-1")
    path = write_focus(tmp_path / "jan.csv", focus_row(ResourceName="Zürich"), encoding="latin-1")
    import_files([path], source_name="cluster")
    Source.objects.update(encoding="")

    assert raw_row(Charge.objects.get().file, 2)["ResourceName"] == "Zürich"


def test_it_is_shown_to_those_who_see_the_charge(client, auditor, charge):
    assert client.get(page_of(charge)).status_code == 302
    client.force_login(auditor)

    response = client.get(page_of(charge))

    assert response.status_code == 200
    assert response.context["title"] == "Line 4 of jan.csv.gz"


def test_a_kept_file_that_is_gone_is_said_so(client, auditor, charge):
    received_path(ReceivedFile.objects.get()).unlink()
    client.force_login(auditor)

    response = client.get(page_of(charge), follow=True)

    assert [str(message) for message in response.context["messages"]] == [
        "jan.csv.gz cannot be read: No such file or directory."
    ]


def test_a_charge_without_a_file_has_no_such_page(client, auditor):
    client.force_login(auditor)

    assert client.get(page_of(make_charge())).status_code == 404


def test_a_corrected_row_says_what_was_corrected_by_whom_and_why(client, auditor, tmp_path):
    client.force_login(auditor)
    bad = focus_row(ResourceId="bad", EffectiveCost="$7")
    import_files([write_focus(tmp_path / "a.csv", focus_row(), bad)], source_name="aws")
    correct_row(ImportIssue.objects.get(), correction={"EffectiveCost": "7"}, reason="As on the invoice")
    first = Charge.objects.get(resource_id="bad")

    issue = client.get(page_of(first)).context["issue"]

    assert (issue.correction, issue.reason) == ({"EffectiveCost": "7"}, "As on the invoice")
    assert client.get(page_of(Charge.objects.filter(resource_id="i-1").first())).context["issue"] is None
