"""The page that finance signs, its CSV and the command: every line leads to the rows that it sums."""

import csv
import io
import json
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from statements.issuing import issue_statements
from statements.journaling import export_journal
from tests.make import make_charge, make_closed, make_import, make_period, make_pi, make_rate, make_source
from tests.statements.reconciled import issue, make_adjustment, make_costs, make_issue

pytestmark = pytest.mark.django_db

PREPAID = {"charge_category": "Purchase", "commitment_discount_id": "plan", "review_status": "not_billable"}


@pytest.fixture
def desk(client, auditor):
    client.force_login(auditor)
    return client


def address(page="reconciliation/"):
    return f"/admin/periods/billingperiod/{make_period().pk}/{page}"


def make_full_month():
    """Rows of every fate, and some beside them that no line may lead to."""
    make_costs("1000", "0", **PREPAID)
    make_costs("0", "7.5", commitment_discount_id="plan")
    make_costs("0", "4", billed_cost=None)
    make_costs("6", "5")
    for status in ("held", "excluded", "deferred", "approved"):
        make_costs("2", "2", review_status=status)
    make_costs("10", "11", billing_currency="EUR", exchange_rate=make_rate("1.1"), effective_cost=Decimal(10))
    make_costs("10", "10", billing_currency="EUR", review_status="held")
    make_costs("3", "3", kind="carried")
    make_costs("3", "3", kind="carried", review_status="held")
    make_costs("8", "8", kind="late", late_month="2024-12")
    make_costs("-4", "-4", kind="reversal", late_month="2024-12")
    corrections = make_import(make_period(), make_source(), kind="correction")
    make_costs("0.5", "0.5", kind="late", late_month="2024-11", loaded_by=corrections)
    for status in ("open", "discarded", "corrected"):
        make_issue(status, billed_cost=Decimal(1), effective_cost=Decimal(1))
    make_issue(currency="EUR", billed_cost=Decimal(1))
    make_issue(currency="")
    make_adjustment("-1")
    make_adjustment("-1", source=None)
    make_charge(due_amount="1", period=make_period("2025-02"))
    make_costs("1", "1", source=make_source("cloud"))


def lines_of(context):
    for part in context["parts"]:
        for step in part["steps"]:
            for line in (*step["lines"], step["result"], *step["notes"]):
                yield f"{part['source']} {part['currency']} {step['title']}: {line['label']}", line


def test_every_line_leads_to_exactly_its_rows(desk):
    make_full_month()
    linked = {what: line for what, line in lines_of(desk.get(address()).context) if line["url"] and line["rows"]}

    found = {what: desk.get(line["url"]).context["cl"].result_count for what, line in linked.items()}

    assert found == {what: line["rows"] for what, line in linked.items()}
    assert len(found) == 40


def test_documents_are_linked(desk):
    make_costs("5", "5")
    export_journal(issue())

    urls = {line["label"]: line["url"] for _, line in lines_of(desk.get(address()).context)}

    assert {label: desk.get(urls[label]).context["cl"].result_count for label in ("Statements", "Journals")} == {
        "Statements": 1,
        "Journals": 1,
    }


def test_commitments_lead_to_their_rows(desk):
    make_full_month()

    (prepaid,) = desk.get(address()).context["prepaid"]

    assert (prepaid["source"], prepaid["name"], prepaid["amounts"]) == (
        "cluster",
        "plan",
        ["$0.00", "$1,000.00", "$7.50", "$992.50"],
    )
    assert desk.get(prepaid["url"]).context["cl"].result_count == 2


def test_the_page_says_in_red_what_does_not_add_up(desk):
    make_costs("5", "3.25")

    page = desk.get(address())

    assert (page.context["verdict"], page.context["sentence"]) == (
        "WRONG",
        "Some steps do not add up. The difference stands beside each of them.",
    )
    assert '<td class="amount ocb-stop">-$1.75</td>' in page.content.decode()


def test_the_page_says_that_all_is_right(desk):
    make_costs("5", "5")
    export_journal(issue())

    page = desk.get(address())

    assert page.context["sentence"] == "Every step adds up, from the provider's bill to the journals."
    assert "ocb-stop" not in page.content.decode()


def test_an_amount_keeps_all_of_its_digits(desk):
    make_costs("0.000000001", "0.000000001")

    assert "$0.000000001" in desk.get(address()).content.decode()


def test_the_months_page_has_the_button(desk):
    page = desk.get(address("change/"))

    assert [(link["label"], link["url"]) for link in page.context["links"]] == [("Reconciliation", address())]


def test_csv_has_a_row_for_every_line(desk):
    make_source("=cmd()")
    make_costs("5", "3.25", source=make_source("=cmd()"))

    response = desk.get(address("reconciliation.csv"))

    assert response["Content-Disposition"] == 'attachment; filename="reconciliation-2025-01.csv"'
    assert list(csv.reader(io.StringIO(response.content.decode()))) == [
        ["period", "source", "currency", "step", "sign", "line", "amount", "rows", "verdict", "difference"],
        *(
            ["2025-01", "'=cmd()", "USD", *row]
            for row in [
                ["From the bill to the basis", "plus", "Billed", "5.00", "1", "", ""],
                ["From the bill to the basis", "equals", "Basis amount", "3.25", "1", "does not add up", "-1.75"],
                [
                    "From the bill to the basis", "aside", "Effective and billed cost differ, unexplained", "-1.75",
                    "1", "", "",
                ],
                ["What became of it", "plus", "Billable", "3.25", "1", "", ""],
                ["What became of it", "equals", "Basis amount", "3.25", "1", "adds up", "0.00"],
                ["On statements", "plus", "Billable", "3.25", "1", "", ""],
                ["On statements", "equals", "Statements so far", "3.25", "", "adds up", "0.00"],
                ["In journals", "plus", "Statements so far", "3.25", "", "", ""],
                ["In journals", "equals", "Journals", "0.00", "", "not yet", ""],
            ]
        ),
    ]  # fmt: skip


def test_csv_rolls_each_commitment_forward(desk):
    make_costs("1000", "0", **PREPAID)

    rows = list(csv.reader(io.StringIO(desk.get(address("reconciliation.csv")).content.decode())))

    assert [row[3:8] for row in rows[-4:]] == [
        ["Prepaid: plan", "plus", "Before this month", "0.00", ""],
        ["Prepaid: plan", "plus", "Billed", "1000.00", ""],
        ["Prepaid: plan", "less", "Used", "0.00", ""],
        ["Prepaid: plan", "equals", "Balance", "1000.00", ""],
    ]


def test_the_command_prints_the_csv_of_the_page(desk, capsys):
    make_costs("5", "5")

    call_command("reconcile", "2025-01")

    assert capsys.readouterr().out.splitlines() == desk.get(address("reconciliation.csv")).content.decode().splitlines()


def test_the_command_writes_a_file(tmp_path, capsys):
    make_costs("5", "5")
    file = tmp_path / "january.csv"

    call_command("reconcile", "2025-01", "--output", str(file))

    assert capsys.readouterr().out == f"January 2025: not yet. Written to {file}.\n"
    assert file.read_bytes().startswith(
        b"period,source,currency,step,sign,line,amount,rows,verdict,difference\r\n2025-01,"
    )


def test_the_command_speaks_json(capsys):
    make_costs("5", "5")
    issue_statements(make_closed(make_period()))

    call_command("reconcile", "2025-01", "--json")

    found = json.loads(capsys.readouterr().out)
    assert (found["period"], found["verdict"]) == ("2025-01", "not yet")
    assert found["lines"][0] == {
        "source": "cluster", "currency": "USD", "step": "From the bill to the basis", "sign": "plus",
        "line": "Billed", "amount": "5.00", "rows": "1", "verdict": "", "difference": "",
    }  # fmt: skip


def test_the_command_fails_where_a_step_does_not_add_up(capsys):
    make_costs("5", "3")

    with pytest.raises(CommandError, match=r"^January 2025 does not reconcile: 1 step does not add up\.$") as refusal:
        call_command("reconcile", "2025-01")

    assert refusal.value.returncode == 1
    assert capsys.readouterr().out.startswith("period,source,")


def test_the_command_says_that_a_file_cannot_be_written(tmp_path):
    with pytest.raises(CommandError, match=r"cannot be written"):
        call_command("reconcile", make_period().month, "--output", str(tmp_path))


@pytest.mark.parametrize("count", [1, 3])
def test_the_page_costs_the_same_queries_for_any_number_of_rows(count, desk, django_assert_num_queries):
    for number in range(count):
        make_costs("5", "5", pi=make_pi(f"pi{number}@example.edu"))
        make_issue(billed_cost=Decimal(1))
    url = address()
    desk.get(url)

    with django_assert_num_queries(23):
        desk.get(url)
