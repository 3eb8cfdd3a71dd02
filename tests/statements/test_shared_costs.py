"""Shares of tax, support and unused commitments: lines of statements and journals like any other, and they reconcile."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from charges.adjusting import adjust
from charges.explaining import explain
from charges.models import Charge
from charges.review import approve
from periods.blockers import checklist
from statements.archiving import finalize_period, verify_ledger
from statements.issuing import issue_statements, stale_statements
from statements.journaling import acknowledge_journal, export_journal
from statements.lines import lines_by_payer
from statements.models import JournalLine, Statement, StatementLine
from statements.reconciling import reconcile
from statements.rendering import render_statements
from statements.rendering.composing import compose
from statements.tracing import trace
from tests.charges.shared_costs import make_shared, owed
from tests.make import make_closed, make_fund, make_period, make_pi, make_project, make_rate, make_source

pytestmark = pytest.mark.django_db


def shared_lines(**whose):
    found = [line for payer in lines_by_payer(make_period(), **whose) for line in payer.lines]
    return [
        (line.funding_account.code, line.description, str(line.list_amount), str(line.due_amount), line.shared_amount)
        for line in found
        if line.shared_amount is not None
    ]


def verdicts(period):
    return {
        step.title: (str(step.verdict), [(line.label, str(line.amount.normalize())) for line in step.lines])
        for part in reconcile(period).parts
        for step in part.steps
        if part.currency == period.currency
    }


def closed(period=None):
    period = make_closed(period or make_period())
    issue_statements(period)
    return period


def test_a_share_is_a_line_that_says_of_what():
    owed("75", "A")
    owed("25", "B")
    make_shared("10")

    assert shared_lines() == [
        ("A", "Share of tax", "7.50", "7.50", Decimal("10.00")),
        ("B", "Share of tax", "2.50", "2.50", Decimal("10.00")),
    ]
    assert shared_lines(pi=make_pi("B@example.edu").pk, project=make_project("B").pk) == [shared_lines()[1]]


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"charge_category": "Purchase", "service_name": "Premium Support"}, "Premium Support"),
        ({"charge_category": "Purchase", "service_name": ""}, "purchases"),
        ({"charge_category": "Credit"}, "provider credits"),
        ({"charge_category": "Adjustment", "service_name": ""}, "provider adjustments"),
        ({"charge_category": "Usage", "commitment_discount_status": "Unused"}, "unused commitment"),
    ],
)
def test_it_is_called_after_what_is_shared(columns, name):
    owed("75", "A")
    make_shared("10", **columns)

    assert [line[1] for line in shared_lines()] == [f"Share of {name}"]


def test_shares_of_several_accounts_are_one_line():
    for account in ("1", "2"):
        make_shared("10", billing_account_id=account)
        owed("75", "A", billing_account_id=account)
        owed("75", f"B{account}", billing_account_id=account)

    assert [line for line in shared_lines() if line[0] == "A"] == [
        ("A", "Share of tax", "10.00", "10.00", Decimal("20.00"))
    ]


def test_a_share_of_a_closed_month_says_so_and_goes_to_who_paid_then():
    owed("75", "A", period=make_period("2024-12"))
    make_shared("-10", kind="reversal", late_month="2024-12")

    assert shared_lines() == [("A", "Share of tax: correction of 2024-12", "-10.00", "-10.00", Decimal("-10.00"))]


def test_the_month_reconciles_from_bill_to_journal():
    for due, code in (("10", "A"), ("10", "B"), ("10", "C")):
        owed(due, code, billed_cost=Decimal(due))
    make_shared("100", billed_cost=Decimal(100))
    make_shared("-0.005", billed_cost=Decimal("-0.005"), charge_category="Credit")

    period = closed()
    export_journal(period)

    found = verdicts(period)
    assert {verdict for verdict, _ in found.values()} == {"adds up"}
    assert found["What became of it"][1] == [("Billable", "3E+1"), ("Shared among projects", "99.995")]
    assert found["On statements"][1] == [
        ("Billable", "3E+1"), ("Shared among projects", "99.995"), ("Rounding", "-0.005"),
    ]  # fmt: skip
    posted = JournalLine.objects.filter(funding_account__isnull=False).order_by("account")
    assert [(line.account, str(line.debit)) for line in posted.all()] == [
        ("A", "43.330000000"), ("B", "43.330000000"), ("C", "43.330000000"),
    ]  # fmt: skip


def test_a_foreign_tax_is_converted_before_it_is_divided():
    owed("10", "A")
    tax = make_shared("100", review_status="held", billing_currency="EUR", billed_cost=Decimal(100))
    make_rate("1.5")
    approve(Charge.objects.filter(pk=tax.pk))

    period = closed()

    assert shared_lines() == [("A", "Share of tax", "150.00", "150.00", Decimal("150.00"))]
    assert {verdict for title, (verdict, _) in verdicts(period).items() if title != "In journals"} == {"adds up"}


def test_a_decision_that_changes_the_base_makes_all_statements_stale():
    owed("10", "A")
    held = owed("10", "B", review_status="held")
    make_shared("100")
    period = closed()
    assert stale_statements(period) == []

    approve(Charge.objects.filter(pk=held.pk))

    assert stale_statements(period) == ["A, A", "B, B"]
    issue_statements(period)
    lines = StatementLine.objects.filter(statement__state="issued", shared_amount__isnull=False)
    assert [str(line.due_amount.normalize()) for line in lines] == ["5E+1", "5E+1"]


def test_what_nobody_can_bear_warns_at_close_and_blocks_the_seal():
    make_shared("12", billing_account_id="1234")
    period = make_period()
    sentence = "$12.00 of tax in account 1234 has nobody to be divided among: say who pays, or exclude it."

    close, finalize = (
        [(found.sentence, found.is_warning) for found in checklist(period, step) if "tax" in found.sentence]
        for step in ("close", "finalize")
    )

    assert (close, finalize) == ([(sentence, True)], [(sentence, False)])
    assert verdicts(period)["On statements"][0] == "does not add up"


def test_a_sealed_month_keeps_its_shares_and_verifies(client, auditor):
    owed("10", "A")
    make_shared("100")
    period = closed()
    render_statements(period)
    export_journal(period)
    acknowledge_journal(period, reference="GL-1")

    finalize_period(period)

    assert verify_ledger() == []
    assert {verdict for verdict, _ in verdicts(make_period()).values()} == {"adds up"}


def test_credits_of_a_project_beside_its_share_still_work():
    owed("10", "A")
    make_shared("100")
    payer = {"pi": make_pi("A@example.edu"), "project": make_project("A"), "funding_account": make_fund("A")}
    adjust(
        period=make_period(), kind="credit", due_amount=Decimal(-40), source=make_source(),
        description="Tax that we bear", reason="agreed by mail", **payer,
    )  # fmt: skip

    closed()

    assert Statement.objects.get().due_amount == Decimal(70)


def test_the_statement_says_what_the_share_is_of():
    owed("75", "A")
    owed("25", "B")
    make_shared("10")
    make_shared("-4", charge_category="Credit")
    closed()

    statement = Statement.objects.get(project__code="A")
    context = compose(statement, list(statement.lines.all()))

    assert [(line.service, line.share_percent, line.share_of) for line in context.lines if line.share_of] == [
        ("Share of provider credits", "75.0", Decimal(-4)),
        ("Share of tax", "75.0", Decimal(10)),
    ]
    assert context.provider_credits == Decimal("-3.00")


def test_a_share_is_not_disputed_by_itself(client):
    owed("75", "A")
    make_shared("10")
    closed()
    statement = Statement.objects.get()
    line = statement.lines.get(shared_amount__isnull=False)
    client.force_login(User.objects.create_user("a", "A@example.edu"))
    page = client.post(reverse("portal:dispute_line", args=[statement.number, line.pk]), {"text": "not ours"})

    assert page.status_code == 404


@pytest.mark.parametrize("number", [1, 3])
def test_shares_cost_the_same_queries_for_any_number_of_payers(django_assert_num_queries, number):
    for at in range(number):
        owed("10", f"F{at}")
        make_shared("100", service_name=f"Tax {at}")
    period = make_period()

    with django_assert_num_queries(8):  # shared costs and what is due beside them; no sums of statements
        assert len(list(lines_by_payer(period))) == number


def test_the_page_of_a_share_lists_no_charge_of_others(client, auditor):
    owed("75", "A", service_name="Tax")
    make_shared("10")
    closed()
    line = StatementLine.objects.get(shared_amount__isnull=False)
    client.force_login(auditor)

    page = client.get(reverse("admin:statements_statement_line", args=[line.pk]))

    assert (page.status_code, list(page.context["page"])) == (200, [])
    assert trace(Charge.objects.get(review_status="shared")).note == (
        "It is divided among projects: their statements carry a share each."
    )
    (posting,) = trace(Charge.objects.get(review_status="clear")).postings
    assert posting.line != line


def test_a_charge_that_a_central_project_pays_says_so():
    step = {"fund_step": "central"}
    found = explain(owed("75", "A", source=make_source("aws"), **step))

    assert [(part.name, part.decided and part.decided.says) for part in found.parts] == [
        (name, "Of aws, for costs that nobody is named for.") for name in ("PI", "Project", "Fund")
    ]


def test_the_page_of_a_shared_charge_names_who_bears_it(client, auditor):
    owed("75", "A")
    owed("25", "B")
    charge = make_shared("10")
    client.force_login(auditor)

    page = client.get(reverse("admin:charges_charge_change", args=[charge.pk])).content.decode()

    assert "Shared among projects" in page
    assert [amount in page for amount in ("$7.50", "$2.50", "By amount due")] == [True] * 3
