"""A finalized charge is corrected by a reversal and a rebill in an open month; it keeps its bytes itself."""

from datetime import date
from decimal import Decimal

import pytest
from django.forms.models import model_to_dict

from charges.correcting.rebilling import Right, correct, months_after, plan
from charges.models import Charge, FocusImport
from periods.models import AuditEntry, BillingPeriod
from tests.charges.rebills import GROUNDS, corrected, finalized, in_february, refusal_of
from tests.make import make_charge, make_closed, make_fund, make_period, make_pi, make_project, make_source

__all__ = ["in_february"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_february")]


FIGURES = ("list_amount", "contracted_amount", "due_amount")


def figures(charge: Charge) -> tuple[Decimal, ...]:
    return tuple(getattr(charge, name) for name in FIGURES)


def test_the_reversal_copies_what_was_billed_with_the_sign_changed():
    charge = finalized(funder="Provost", subsidy_fund="GEN-1", reference_1="GR-7")
    before = model_to_dict(charge)

    reversal = corrected(charge).reversal

    negated = {name: -before[name] for name in (*FIGURES, "list_cost", "effective_cost")}
    written = ("id", "decided_by", "decided_at", "decision_reason", "loaded_by")
    expected = before | negated | {
        "kind": "reversal", "origin": charge.pk, "period": make_period("2025-02").pk, "late_month": "2025-01",
        "pricing_quantity": "-3", "review_status": "approved",
    }  # fmt: skip
    found = model_to_dict(reversal)
    assert {n: v for n, v in found.items() if n not in written} == {
        n: v for n, v in expected.items() if n not in written
    }


def test_the_original_and_its_month_stay_as_they_are():
    charge = finalized()
    before = Charge.objects.filter(pk=charge.pk).values().get()

    corrected(charge)

    assert Charge.objects.filter(pk=charge.pk).values().get() == before
    assert list(Charge.objects.filter(period__month="2025-01").billable()) == [charge]


def test_the_rebill_of_another_project_is_borne_by_its_fund_of_that_day():
    project = make_project("other", default_fund=make_fund("NSF-2"))
    charge = finalized(fund_step="project")

    rebill = corrected(charge, right=Right(project=project)).rebill

    assert (rebill.kind, rebill.origin, rebill.late_month) == ("rebill", charge, "2025-01")
    assert (rebill.pi, rebill.project, rebill.funding_account.code) == (charge.pi, project, "NSF-2")
    assert (figures(rebill), rebill.fund_step) == (figures(charge), "project")
    assert (rebill.review_status, rebill.flags) == ("approved", {})


def test_after_the_project_ended_its_fallback_fund_bears_the_rebill():
    project = make_project(
        "other", default_fund=make_fund("NSF-2"), fallback_fund=make_fund("DEPT"), end_date=date(2025, 1, 3)
    )

    rebill = corrected(finalized(fund_step="project"), right=Right(project=project)).rebill

    assert (rebill.funding_account.code, rebill.fund_step) == ("DEPT", "fallback")


def test_a_split_is_that_of_the_month_of_the_charge():
    project = make_project("other")
    for first, last in (("2025-01", "2025-01"), ("2025-02", "")):
        split = project.splits.create(first_month=first, last_month=last, remainder_account=make_fund(f"REST-{first}"))
        split.shares.create(funding_account=make_fund(f"SHARE-{first}"), percent="40")

    charge = finalized(fund_step="project")
    (pair,) = plan([charge.pk], grounds=GROUNDS, right=Right(project=project)).pairs

    assert [(fund.code, percent) for fund, percent in pair.parts] == [
        ("SHARE-2025-01", Decimal(40)),
        ("REST-2025-01", Decimal(60)),
    ]
    assert corrected(charge, right=Right(project=project)).rebill.fund_step == "split"


def test_a_named_pi_and_fund_bear_the_rebill():
    grace, fund = make_pi("grace@example.edu"), make_fund("NIH-7")

    rebill = corrected(finalized(), right=Right(pi=grace, funding_account=fund)).rebill

    assert (rebill.pi, rebill.project.code, rebill.funding_account) == (grace, "engine", fund)
    assert rebill.fund_step == "decision"


@pytest.mark.parametrize(
    ("columns", "right", "amounts"),
    [
        ({}, {"due_amount": Decimal(4)}, (100, 4, 4)),
        ({"contracted_amount": "100"}, {"due_amount": Decimal(4)}, (100, 100, 4)),
        ({}, {"list_amount": Decimal(60), "due_amount": Decimal(6)}, (60, 6, 6)),
        ({}, {"due_amount": Decimal(140)}, (140, 140, 140)),
        ({"contracted_amount": "50"}, {"due_amount": Decimal(20)}, (100, 50, 20)),
        (
            {"due_amount": "-10", "list_amount": "-100", "contracted_amount": "-10"},
            {"due_amount": Decimal(-4)},
            (-100, -4, -4),
        ),
    ],
)
def test_other_amounts_are_priced_by_the_rules_of_every_row(columns, right, amounts):
    rebill = corrected(finalized(**{"contracted_amount": "10", **columns}), right=Right(**right)).rebill

    assert figures(rebill) == tuple(map(Decimal, amounts))
    assert rebill.effective_cost == Charge.objects.get(pk=rebill.origin_id).effective_cost


def test_where_nobody_pays_the_rebill_is_excluded():
    charge = finalized()

    rebill = corrected(charge, right=Right(is_billed=False)).rebill

    assert (rebill.review_status, rebill.decision_reason) == ("excluded", GROUNDS.explanation)
    assert [figures(charge) for charge in Charge.objects.filter(period__month="2025-02").billable()] == [
        (-100, -100, -10)
    ]


def test_what_was_excluded_is_given_back_to_nobody_and_billed():
    charge = finalized(review_status="excluded")

    found = corrected(charge, right=Right())

    assert (found.reversal.review_status, found.rebill.review_status) == ("excluded", "approved")


def test_the_correction_says_who_why_and_what(billing_admin):
    charge = finalized()

    found = corrected(charge, by=billing_admin)

    assert (found.period.month, found.original, found.cause, found.certifier) == (
        "2025-02", charge, "payer", "Ada Lovelace",
    )  # fmt: skip
    assert (found.explanation, found.justification, found.is_fund_certified) == (GROUNDS.explanation, "", False)
    assert (found.created_by, found.reversal.decided_by, found.rebill.decided_by) == (billing_admin,) * 3
    loaded = FocusImport.objects.get(kind="correction")
    assert (loaded.state, loaded.rows, loaded.loaded, loaded.created_by) == ("loaded", 2, 2, billing_admin)
    scopes = loaded.scopes.values_list("period__month", "late_month", "billing_account_id", "rows")
    assert list(scopes) == [("2025-02", "2025-01", "123", 2)]


def test_the_audit_trail_has_the_charge_before_and_after(billing_admin):
    charge = finalized()

    found = corrected(charge, by=billing_admin, right=Right(due_amount=Decimal(4)))

    entry = AuditEntry.objects.get(action="correct")
    assert (entry.by, entry.period.month, entry.subject_id, entry.reason) == (
        billing_admin, "2025-02", charge.pk, GROUNDS.explanation,
    )  # fmt: skip
    payer = "ada@example.edu / engine / NSF-1"
    assert entry.before == {"payer": payer, "list": "100.000000000", "due": "10.000000000"}
    assert entry.after == {
        "payer": payer, "list": "100.000000000", "due": "4.000000000", "cause": "Wrong PI or project",
        "certifier": "Ada Lovelace", "reversal": found.reversal.pk, "rebill": found.rebill.pk,
    }  # fmt: skip


def test_several_charges_are_corrected_alike_an_import_for_each_source():
    charges = [make_charge(), make_charge(), finalized(source=make_source("cloud"))]

    found = correct([c.pk for c in charges], grounds=GROUNDS, right=Right(project=make_project("other")))

    assert [c.original for c in found] == charges
    assert [(i.source.name, i.rows) for i in FocusImport.objects.filter(kind="correction").order_by("pk")] == [
        ("cluster", 4),
        ("cloud", 2),
    ]


def test_the_earliest_open_later_month_takes_it_unless_another_is_named():
    second = make_charge()
    charge = finalized()
    make_closed(make_period("2025-02"))
    make_period("2025-03"), make_period("2025-04")

    assert months_after([charge]) == ["2025-03", "2025-04"]
    assert corrected(charge).period.month == "2025-03"
    assert corrected(second, month="2025-04").period.month == "2025-04"


def test_a_month_is_made_where_no_later_one_is_open():
    charge = finalized()
    make_closed(make_period("2025-02"))

    shown = plan([charge.pk], grounds=GROUNDS, right=Right(is_billed=False))

    assert (shown.month, BillingPeriod.objects.count()) == ("2025-03", 2)
    assert corrected(charge).period.month == "2025-03"


@pytest.mark.parametrize("month", ["2024-12", "2025-01", "2025-02", "soon"])
def test_no_other_month_takes_it(month):
    make_period("2024-12")
    charge = finalized()
    make_closed(make_period("2025-02"))
    make_period("2025-03")

    assert refusal_of(charge, month=month) == (
        f"{month} cannot take the correction: choose an open month after the charge's own."
    )
