"""A finalized charge is corrected by a reversal and a rebill in an open month; it keeps its bytes itself."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from threading import Barrier

import pytest
import time_machine
from django.db import connection
from django.forms.models import model_to_dict

from charges import review
from charges.correcting.grounds import Grounds
from charges.correcting.rebilling import Right, correct, months_after, plan
from charges.importing import reverse
from charges.merging import merge
from charges.models import Charge, Correction, FocusImport
from periods.errors import NotPermitted, Refused
from periods.models import AuditEntry, BillingPeriod
from tests.make import (
    make_charge,
    make_closed,
    make_finalized,
    make_fund,
    make_period,
    make_pi,
    make_project,
    make_source,
)  # fmt: skip

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_february")]
GROUNDS = Grounds(
    cause="payer",
    explanation="The nodes were tagged with the project of the group next door.",
    certifier="Ada Lovelace",
)
FIGURES = ("list_amount", "contracted_amount", "due_amount")


@pytest.fixture
def in_february():
    with time_machine.travel("2025-02-20T12:00Z", tick=False):
        yield


def finalized(**columns) -> Charge:
    """Of January, 100 list and 10 due, with February open."""
    charge = make_charge(**{
        "due_amount": "10", "pricing_quantity": "3", "account_code": "54000", "billing_account_id": "123",
        "charge_period_start": datetime(2025, 1, 5, tzinfo=UTC), "charge_period_end": datetime(2025, 1, 9, tzinfo=UTC),
        **columns,
    })  # fmt: skip
    make_finalized(charge.period)
    make_period("2025-02")
    return Charge.objects.get(pk=charge.pk)


def corrected(charge: Charge, **given) -> Correction:
    right = given.pop("right", None) or Right(project=make_project("other"))
    (correction,) = correct([charge.pk], **{"grounds": GROUNDS, "right": right, **given})
    return Correction.objects.select_related("original", "reversal", "rebill", "period").get(pk=correction.pk)


def refusal_of(charge: Charge, **given) -> str:
    before = Charge.objects.count()
    with pytest.raises(Refused) as refusal:
        corrected(charge, **given)
    assert (Charge.objects.count(), Correction.objects.count()) == (before, 0)
    return str(refusal.value)


def figures(charge: Charge) -> tuple[Decimal, ...]:
    return tuple(getattr(charge, name) for name in FIGURES)


def finalize(month: str) -> None:
    make_finalized(make_period(month))


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


def test_a_charge_is_corrected_once():
    charge = finalized()
    corrected(charge)

    with pytest.raises(Refused, match="is reversed already, in February 2025 by import"):
        corrected(charge, right=Right(is_billed=False))
    assert Correction.objects.count() == 1


def test_a_correction_is_corrected_by_its_rebill():
    charge = finalized()
    first = corrected(charge)
    finalize("2025-02")
    make_period("2025-03")

    with pytest.raises(Refused, match="is itself a reversal"):
        corrected(first.reversal)
    second = corrected(first.rebill, right=Right(is_billed=False))

    assert (second.original, second.rebill.late_month, second.period.month) == (first.rebill, "2025-01", "2025-03")
    assert sum(c.due_amount for c in Charge.objects.billable()) == 0


@pytest.mark.parametrize("status", ["deferred", "not_billable"])
def test_what_its_month_billed_to_nobody_for_other_reasons_is_left_alone(status):
    assert "its month billed nothing for it" in refusal_of(finalized(review_status=status))


def test_a_deferred_charge_is_corrected_where_it_was_billed():
    charge = finalized(kind="carried")

    assert corrected(charge).rebill.kind == "carried"


@pytest.mark.parametrize("state", ["open", "closed"])
def test_an_unfinalized_month_is_changed_directly(state):
    charge = make_charge()
    BillingPeriod.objects.update(state=state)

    assert refusal_of(charge) == f"January 2025 is not finalized: decide about {charge} there, or adjust it."


def test_a_superseded_charge_is_refused():
    charge = make_charge()
    Charge.objects.update(superseded_by=charge.loaded_by)
    make_finalized(charge.period)

    assert refusal_of(charge) == "A charge is not current: a later delivery replaced it, or it was never loaded."


@pytest.mark.parametrize("right", [Right(), Right(pi=None, due_amount=Decimal(10))])
def test_a_correction_that_changes_nothing_is_refused(right):
    charge = finalized()

    assert refusal_of(charge, right=right) == f"Nothing would change for {charge}: say what is right."


def test_a_rebill_without_a_fund_is_refused():
    charge = finalized(fund_step="project")

    assert refusal_of(charge) == f"The rebill of {charge} would have no fund: name it."


def test_a_list_price_below_the_amount_due_is_refused():
    right = Right(list_amount=Decimal(5), due_amount=Decimal(6))

    assert refusal_of(finalized(), right=right) == (
        "The list price must not be smaller than the amount due; a provider credit has none."
    )


def test_figures_are_never_copied_into_a_month_of_another_currency():
    make_period("2025-02", currency="EUR")

    assert refusal_of(finalized()) == ("The months are kept in EUR and USD: choose charges and a month of one.")


@pytest.mark.parametrize("number", [0, 201])
def test_as_many_as_a_person_can_look_at(number):
    with pytest.raises(Refused, match="at most 200 at once"):
        correct(range(1, number + 1), grounds=GROUNDS, right=Right())


def test_a_fund_that_was_not_valid_on_the_charge_date_is_refused():
    charge, fund = finalized(), make_fund("NIH-7", valid_from=date(2025, 1, 6))

    assert refusal_of(charge, right=Right(funding_account=fund)) == (
        f"NIH-7 was not valid on 2025-01-05, a day of {charge} (limit: 2025-01-06). Choose another fund, or "
        "certify that it bears the charge all the same."
    )


def test_a_fund_that_was_not_valid_bears_the_charge_where_that_is_certified():
    charge, fund = finalized(), make_fund("NIH-7", valid_from=date(2025, 1, 6))

    found = corrected(charge, right=Right(funding_account=fund, is_fund_certified=True))

    assert (found.rebill.funding_account, found.is_fund_certified) == (fund, True)
    assert AuditEntry.objects.get(action="correct").after["warnings"] == [
        "NIH-7 was not valid on 2025-01-05; it bears the charge because that is certified."
    ]


@pytest.mark.parametrize(
    ("end", "warnings"),
    [
        (date(2025, 5, 22), []),
        (date(2025, 5, 21), ["NIH-7 ends on 2025-05-21: auditors question cost that is moved to a fund so close to its end."]),
        (date(2025, 2, 1), ["NIH-7 ended on 2025-02-01: auditors question cost that is moved to a fund after its end."]),
    ],
)  # fmt: skip
def test_a_fund_close_to_its_end_is_warned_of(end, warnings):
    charge, fund = finalized(), make_fund("NIH-7", valid_until=end)

    (pair,) = plan([charge.pk], grounds=GROUNDS, right=Right(funding_account=fund)).pairs

    assert pair.warnings == warnings


def test_the_same_fund_is_no_transfer():
    charge = finalized(funding_account=make_fund("NIH-7", valid_until=date(2025, 2, 1)))

    (pair,) = plan([charge.pk], grounds=GROUNDS, right=Right(due_amount=Decimal(4))).pairs

    assert pair.warnings == []


def test_what_is_loaded_is_what_was_shown():
    charge, project = finalized(fund_step="project"), make_project("other", default_fund=make_fund("NSF-2"))
    shown = plan([charge.pk], grounds=GROUNDS, right=Right(project=project)).digest
    project.default_fund = make_fund("NSF-3")
    project.save()

    told = refusal_of(charge, right=Right(project=project), shown=shown)

    assert told == "What would be loaded has changed meanwhile. Look at it again."
    shown = plan([charge.pk], grounds=GROUNDS, right=Right(project=project)).digest
    assert corrected(charge, right=Right(project=project), shown=shown).rebill.funding_account.code == "NSF-3"


def test_it_asks_for_its_own_permission(reviewer):
    with pytest.raises(NotPermitted):
        corrected(finalized(), by=reviewer)


def test_its_import_is_not_reversed():
    corrected(finalized())
    loaded = FocusImport.objects.get(kind="correction")

    with pytest.raises(Refused) as refusal:
        reverse(loaded, reason="The wrong file was sent")

    assert str(refusal.value) == (
        f"{loaded} corrects finalized charges: correct what it billed in their place instead."
    )


@pytest.mark.parametrize(
    "decide",
    [
        review.undo,
        lambda charges: review.exclude(charges, reason="Not wanted after all"),
        lambda charges: review.defer(charges, reason="Not wanted after all"),
        lambda charges: review.reattribute(charges, pi=make_pi("bob@example.edu"), reason="Of another group"),
    ],
)
def test_nobody_reviews_half_of_it_away(decide):
    found = corrected(finalized())
    before = list(Charge.objects.order_by("pk").values_list("review_status", "pi", "due_amount"))

    for half in (found.reversal, found.rebill):
        with pytest.raises(Refused):
            decide(Charge.objects.filter(pk=half.pk))

    assert list(Charge.objects.order_by("pk").values_list("review_status", "pi", "due_amount")) == before


def test_it_goes_to_whom_the_payer_was_merged_into():
    charge = finalized()
    new = make_pi("new@example.edu")
    merge(charge.pi, new, reason="The same person")

    found = corrected(charge, right=Right(due_amount=Decimal(5)))

    assert (found.reversal.pi, found.rebill.pi) == (new, new)


@pytest.mark.django_db(transaction=True)
def test_of_two_people_at_once_one_corrects_and_the_other_is_told():
    charge = finalized()
    make_project("other")
    start = Barrier(2)

    def press(month: str) -> str:
        start.wait()
        try:
            corrected(charge, month=month)
        except Refused as refusal:
            return str(refusal).partition(",")[0]
        finally:
            connection.close()
        return "done"

    make_period("2025-03")
    with ThreadPoolExecutor(2) as people:
        answers = sorted(people.map(press, ["2025-02", "2025-03"]))

    assert answers == [f"{charge} is reversed already", "done"]
    assert Charge.objects.filter(kind="reversal").count() == Correction.objects.count() == 1
