"""A late file that reverses a credited charge takes the credit back with it, once somebody approves: never twice credited."""

from decimal import Decimal
from typing import Any

import pytest

from charges.adjusting import adjust, withdraw
from charges.adjusting.crediting import make_campaign, withdraw_campaign
from charges.importing import import_files, reverse
from charges.models import Adjustment, Charge, CreditCampaign
from charges.review import approve, exclude, undo
from periods.errors import Refused
from periods.models import AuditEntry
from statements.lines import lines_by_payer
from tests.charges.focus_files import write_focus
from tests.charges.late_rows import january
from tests.make import make_closed, make_finalized, make_period, make_project

pytestmark = pytest.mark.django_db
REASON = "The provider took it back"


@pytest.fixture
def deliver(tmp_path: Any) -> Any:
    return lambda *rows, **options: import_files(
        [write_focus(tmp_path / "jan.csv", *rows)], source_name="aws", **options
    )


def credit(resource: str, due: str) -> Adjustment:
    about = Charge.objects.get(resource_id=resource, kind="delivered")
    return adjust(
        period=about.period, kind="credit", pi=about.pi, project=about.project, charge=about, description="Outage",
        reason="The node was down", due_amount=Decimal(due),
    )  # fmt: skip


@pytest.fixture
def credited(deliver: Any) -> Adjustment:
    """Of the 30 of January's `c`, 10 were credited; then the month was finalized."""
    deliver(january("a", "10"), january("c", "30"))
    given = credit("c", "-10")
    make_finalized(make_closed(make_period("2025-01")))
    return given


def due(month: str) -> Decimal:
    return sum(
        (line.due_amount for payer in lines_by_payer(make_period(month)) for line in payer.lines), start=Decimal(0)
    )


def held() -> Any:
    return Charge.objects.held().filter(period__month="2025-03")


def test_a_vanished_charge_leaves_nothing_of_itself_nor_of_its_credit(deliver, credited):
    deliver(january("a", "10"), late_to="2025-03")
    assert [charge.flags for charge in held()] == [
        {
            "late": "2025-01 was closed when this came: it is the difference to what that month holds. "
            "$10.00 was credited on it: taken back once this is approved."
        }
    ]
    assert due("2025-03") == 0

    approve(held())

    assert (due("2025-01"), due("2025-03")) == (30, -20)
    taken = Adjustment.objects.get(period__month="2025-03")
    assert (taken.reverses, taken.due_amount, taken.description) == (credited, 10, "Taken back: Outage")
    assert taken.charge.kind == "reversal"
    assert AuditEntry.objects.filter(action="take_back", subject_id=taken.pk).count() == 1


def test_a_changed_charge_says_on_its_rebill_that_its_original_was_credited(deliver, credited):
    deliver(january("a", "10"), january("c", "40"), late_to="2025-03")

    rebill = held().get(kind="late")
    assert rebill.flags["late"].endswith(" $10.00 was credited on what it replaces: credit it again if that holds.")
    approve(held())
    assert due("2025-03") == 40 - 30 + 10


def test_the_credit_holds_again_while_the_reversal_is_not_billed(deliver, credited):
    deliver(january("a", "10"), late_to="2025-03")
    reversal = Charge.objects.filter(pk=held().get().pk)
    approve(reversal)

    undo(reversal)
    assert due("2025-03") == 0
    approve(reversal)
    assert due("2025-03") == -20
    exclude(reversal, reason=REASON)
    assert due("2025-03") == 0
    assert Adjustment.objects.filter(period__month="2025-03").count() == 1


def test_what_was_not_credited_takes_nothing_back(deliver, credited):
    deliver(january("c", "30"), late_to="2025-03")

    approve(held())

    assert not Adjustment.objects.filter(period__month="2025-03").exists()
    assert due("2025-03") == -10


def test_giving_the_late_delivery_up_takes_back_nothing(deliver, credited):
    late = deliver(january("a", "10"), late_to="2025-03").focus_import
    approve(held())

    reverse(late, reason=REASON)

    assert due("2025-03") == 0


def test_a_credit_of_a_closed_month_is_not_withdrawn_once_it_is_taken_back(deliver):
    deliver(january("a", "10"), january("c", "30"))
    given = credit("c", "-10")
    make_closed(make_period("2025-01"))
    deliver(january("a", "10"), late_to="2025-03")
    approve(held())

    with pytest.raises(Refused, match="was taken back already, in March 2025: withdraw that first"):
        withdraw(given, reason=REASON)

    withdraw(Adjustment.objects.get(reverses=given), reason=REASON)
    withdraw(given, reason=REASON)
    assert (due("2025-01"), due("2025-03")) == (40, -30)


def test_nor_is_a_campaign_of_which_a_credit_is_taken_back(deliver):
    deliver(january("a", "10"), january("c", "30"))
    campaign = make_campaign(
        CreditCampaign(
            period=make_period("2025-01"), code="OUTAGE", description="Outage", reason="The cluster was down.",
            method="percent", percent=Decimal(10),
        )
    )  # fmt: skip
    make_closed(make_period("2025-01"))
    deliver(january("a", "10"), late_to="2025-03")
    approve(held())

    with pytest.raises(Refused, match="were taken back already, in March 2025: withdraw these first"):
        withdraw_campaign(campaign, reason=REASON)

    assert (due("2025-01"), due("2025-03")) == (36, -27)
    exclude(Charge.objects.filter(kind="reversal"), reason=REASON)
    withdraw_campaign(campaign, reason=REASON)
    assert (due("2025-01"), due("2025-03")) == (40, 0)


def test_the_credit_of_another_charge_of_a_merged_project_stays(deliver, credited):
    make_project("other")
    deliver(january("a", "12"), january("c", "30"), late_to="2025-03")

    approve(held())

    assert due("2025-03") == 2
