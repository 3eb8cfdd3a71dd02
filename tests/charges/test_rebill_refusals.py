"""What is no correction of a finalized month is refused, and nobody undoes half of one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection

from charges import review
from charges.correcting.rebilling import Right, correct, plan
from charges.importing import reverse
from charges.merging import merge
from charges.models import Charge, Correction, FocusImport
from periods.errors import NotPermitted, Refused
from periods.models import AuditEntry, BillingPeriod
from tests.charges.rebills import GROUNDS, corrected, finalized, in_february, refusal_of
from tests.make import make_charge, make_finalized, make_fund, make_period, make_pi, make_project

__all__ = ["in_february"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_february")]


def finalize(month: str) -> None:
    make_finalized(make_period(month))


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
