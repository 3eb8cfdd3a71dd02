"""Spreadsheets as people really save them: what can be read is, and what cannot is said in a sentence."""

from datetime import date
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from openpyxl import Workbook

from charges.models import Adjustment, FundingAccount, Project
from tests.charges.desk import desk, payer, upload
from tests.make import make_period

__all__ = ["desk", "payer"]

pytestmark = pytest.mark.django_db
CREDIT = {
    "period": "2025-01", "kind": "credit", "pi_email": "ada@example.edu", "project_id": "engine", "fund_org": "NSF-1",
    "description": "A lost week", "due_amount": -5, "reason": "The cluster was down for a week",
}  # fmt: skip


def sheet(desk: Client, model: str, *rows: dict[str, Any]) -> Any:
    book = Workbook()
    book.active.append([*rows[0]])
    for row in rows:
        book.active.append([*row.values()])
    kept = BytesIO()
    book.save(kept)
    answers = {"import_file": SimpleUploadedFile("rows.xlsx", kept.getvalue()), "format": "1", "resource": "0"}
    return desk.post(f"/admin/charges/{model}/import/", answers)


def confirm(desk: Client, model: str, preview: Any) -> None:
    desk.post(f"/admin/charges/{model}/process_import/", preview.context["confirm_form"].initial)


def problems(response: Any) -> list[str]:
    result = response.context["result"]
    told = [str(error.error) for error in result.base_errors]
    told += [str(error.error) for _, errors in result.row_errors() for error in errors]
    return told + [message for row in result.invalid_rows for message in row.error.messages]


@pytest.mark.parametrize(
    "rows",
    [
        "Code, Name \np-1,Engine\n",
        "code;name\np-1;Engine\n",
        "\ufeffCODE;Name\np-1;Engine\n",
        "code\tname\np-1\tEngine\n",
        "\r\n\ncode,name\np-1,Engine\n",
        "sep=;\ncode;name\np-1;Engine\n",
    ],
)
def test_columns_are_told_whatever_their_case_and_separator(desk: Client, rows: str) -> None:
    confirm(desk, "project", upload(desk, "project", rows))

    assert list(Project.objects.values_list("code", "name")) == [("p-1", "Engine")]


def test_a_sheet_without_its_key_says_which_columns_there_are(desk: Client) -> None:
    response = upload(desk, "fundingaccount", "Fund,Description\nF-1,Gift\n")

    assert problems(response) == [
        "The first line names no column “code”. Columns are: code, description, account_code, valid_from, valid_until."
    ]
    assert "Traceback" not in response.content.decode()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("", "The submitted file is empty."),
        ("\n\n", "There is no row below a first line of column names."),
        ("code,name\n", "There is no row below a first line of column names."),
        ("code,name\np-1,Engine,more\n", "A row has more cells than the first line names columns."),
    ],
)
def test_a_sheet_that_is_none_is_refused_in_a_sentence(desk: Client, rows: str, told: str) -> None:
    assert upload(desk, "project", rows).context["form"].errors == {"import_file": [told]}


def test_a_sheet_in_another_encoding_says_how_to_save_it(desk: Client) -> None:
    file = SimpleUploadedFile("rows.csv", "code,name\np-1,Größe\n".encode("latin-1"))

    response = desk.post("/admin/charges/project/import/", {"import_file": file, "format": "0", "resource": "0"})

    assert response.context["form"].errors == {
        "import_file": ["The file is no UTF-8 text: save it as CSV UTF-8, or as .xlsx."]
    }


@pytest.mark.parametrize("period", ["2025-01", date(2025, 1, 1)])
@pytest.mark.parametrize("kind", ["credit", "Credit", "Adjustment credit"])
def test_an_adjustment_is_read_as_a_spreadsheet_keeps_it(desk: Client, payer: dict, period: Any, kind: str) -> None:
    make_period()

    preview = sheet(desk, "adjustment", CREDIT | {"period": period, "kind": kind})
    assert problems(preview) == []
    confirm(desk, "adjustment", preview)

    assert list(Adjustment.objects.values_list("period__month", "kind", "due_amount")) == [("2025-01", "credit", -5)]


def test_an_unknown_kind_names_those_there_are(desk: Client, payer: dict) -> None:
    make_period()

    assert problems(sheet(desk, "adjustment", CREDIT | {"kind": "rebate"})) == [
        "'rebate' is no kind of adjustment: credit, correction, write_off, manual."
    ]


@pytest.mark.parametrize("end", ["2026-12-31", date(2026, 12, 31)])
def test_a_day_is_read_as_written_or_as_a_spreadsheet_keeps_it(desk: Client, end: Any) -> None:
    confirm(desk, "project", sheet(desk, "project", {"code": "p-1", "end_date": end}))

    assert Project.objects.get().end_date == date(2026, 12, 31)


@pytest.mark.parametrize("end", ["12/31/2026", "03/04/2026", "31.12.2026"])
def test_a_day_that_means_one_thing_here_and_another_there_is_refused(desk: Client, end: str) -> None:
    assert problems(sheet(desk, "project", {"code": "p-1", "end_date": end})) == [
        f"{end!r} is no date as 2026-12-31 is one."
    ]


def test_the_same_sheet_again_changes_nothing_though_codes_are_numbers(desk: Client) -> None:
    fund = {"code": 4711, "account_code": 6100}
    confirm(desk, "fundingaccount", sheet(desk, "fundingaccount", fund))

    again = sheet(desk, "fundingaccount", fund)

    assert again.context["result"].summary() == "0 new, 0 changed, 1 as they are"
    assert list(FundingAccount.objects.values_list("code", "account_code")) == [("4711", "6100")]
