"""What was deferred and carried over is given back, when it vanishes late, to whom it was billed to, and as it was."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from charges.adjusting import adjust
from charges.adjusting.approving import approve_adjustment
from charges.adjusting.crediting import approve_campaign, make_campaign
from charges.carrying import carry_deferred
from charges.disputing.at_stake import at_stake
from charges.importing import import_files, reverse
from charges.models import Charge, CreditCampaign, Dispute, FundingShare, FundingSplit, ReviewRule, Source
from charges.rechecking import recheck
from charges.review import approve, defer, exclude, reattribute, undo
from periods.errors import PeriodLocked, Refused
from statements.lines import lines_by_payer
from tests.charges.focus_files import focus_row, write_focus
from tests.charges.late_rows import of
from tests.make import make_closed, make_finalized, make_fund, make_period, make_pi, make_project

pytestmark = pytest.mark.django_db
WHY = "It waits for a decision"
A, B = of("2025-01", "a", "10"), of("2025-01", "b", "20")


@pytest.fixture
def deliver(tmp_path: Any) -> Any:
    return lambda *rows, name="jan.csv", **options: import_files(
        [write_focus(tmp_path / name, *rows)], source_name="aws", **options
    )


def seal(month: str) -> None:
    """As finalizing does it."""
    carry_deferred(make_closed(make_period(month)))
    make_finalized(make_period(month))


def charges(**which: Any) -> Any:
    return Charge.objects.current().filter(**which)


def billed(*months: str) -> dict[tuple[str, str], str]:
    """PI and fund → what is due of them over the months; nothing is left out."""
    found: dict[tuple[str, str], Decimal] = {}
    for month in months or ("2025-01", "2025-02", "2025-03", "2025-04"):
        for payer in lines_by_payer(make_period(month)):
            for line in payer.lines:
                email = make_pi().__class__.objects.get(pk=payer.payer.pi).email.partition("@")[0]
                key = email, line.funding_account.code
                found[key] = found.get(key, Decimal(0)) + line.due_amount
    return {key: str(due) for key, due in sorted(found.items()) if due}


def to_bob(which: Any) -> None:
    payer = {"pi": make_pi("bob@example.edu"), "project": make_project("bobs"), "funding_account": make_fund("NSF-2")}
    reattribute(which, reason="It was the usage of Bob", **payer)


@pytest.fixture
def of_bob(deliver: Any) -> None:
    """Of January, `b` was deferred; in February it was given to Bob, who was billed for it."""
    deliver(A, B)
    defer(charges(resource_id="b"), reason=WHY)
    seal("2025-01")
    to_bob(charges(kind="carried"))
    seal("2025-02")
    assert billed() == {("ada", "NSF-1"): "10.00", ("bob", "NSF-2"): "20.00"}


def test_what_vanishes_late_is_given_back_to_whom_it_was_billed_to(deliver, of_bob):
    deliver(A, name="without.csv", late_to="2025-03")
    approve(Charge.objects.held())

    assert billed() == {("ada", "NSF-1"): "10.00"}
    (reversal,) = charges(period__month="2025-03").exclude(review_status="not_billable")
    assert (reversal.origin.kind, reversal.late_month) == ("carried", "2025-02")


def test_what_changes_late_stays_with_whom_it_was_given_to(deliver, of_bob):
    deliver(A, of("2025-01", "b", "25"), name="changed.csv", late_to="2025-03")
    approve(Charge.objects.held())

    assert billed() == {("ada", "NSF-1"): "10.00", ("bob", "NSF-2"): "25.00"}


def test_it_may_vanish_come_again_and_be_taken_back(deliver, of_bob):
    deliver(A, name="without.csv", late_to="2025-03")
    approve(Charge.objects.held())
    again = deliver(A, B, name="again.csv", late_to="2025-03").focus_import
    approve(Charge.objects.held())
    assert billed() == {("ada", "NSF-1"): "30.00"}  # by its tags: nobody has said of this row that it was Bob's

    reverse(again, reason="The wrong file was sent")
    assert billed() == {("ada", "NSF-1"): "10.00"}


def test_what_was_deferred_twice_is_given_back_once(deliver):
    deliver(A, B)
    defer(charges(resource_id="b"), reason=WHY)
    seal("2025-01")
    defer(charges(kind="carried"), reason=WHY)
    seal("2025-02")
    approve(Charge.objects.held())
    to_bob(charges(period__month="2025-03"))
    seal("2025-03")

    deliver(A, name="without.csv", late_to="2025-04")
    approve(Charge.objects.held())

    assert billed() == {("ada", "NSF-1"): "10.00"}


def test_it_is_divided_by_the_split_under_which_it_was_billed(deliver):
    split = FundingSplit.objects.create(
        project=make_project(), first_month="2025-02", remainder_account=make_fund("NSF-2")
    )
    for code, percent in (("NSF-1", 40), ("NSF-2", 60)):
        FundingShare.objects.create(split=split, funding_account=make_fund(code), percent=percent)
    deliver(A, B)
    defer(charges(resource_id="b"), reason=WHY)
    seal("2025-01")
    charges(kind="carried").update(fund_step="split", funding_account=None)
    seal("2025-02")
    assert billed() == {("ada", "NSF-1"): "18.00", ("ada", "NSF-2"): "12.00"}

    deliver(A, name="without.csv", late_to="2025-03")
    approve(Charge.objects.held())

    assert billed() == {("ada", "NSF-1"): "10.00"}


def test_it_may_have_been_divided_where_it_was_carried_to(deliver):
    ending = make_project("ending", end_date=date(2025, 1, 15), fallback_fund=make_fund("REST"))
    deliver(A, of("2025-01", "b", "31"))
    defer(charges(resource_id="b"), reason=WHY)
    seal("2025-01")
    reattribute(charges(kind="carried"), project=ending, reason="It was theirs after all")
    assert billed() == {("ada", "NSF-1"): "25.00", ("ada", "REST"): "16.00"}

    deliver(A, name="without.csv", late_to="2025-03")
    approve(Charge.objects.held())
    deliver(of("2025-02", "x", "7"), name="feb.csv")

    assert billed() == {("ada", "NSF-1"): "17.00"}


def used(month: str, due: str, who: str) -> dict[str, Any]:
    tags = {"pi_email": f"{who}@example.edu", "project_id": who, "fund_org": f"FUND-{who}"}
    costs = dict.fromkeys(("ListCost", "ContractedCost", "BilledCost", "EffectiveCost"), due)
    days = {"BillingPeriodStart": f"{month}-01", "ChargePeriodStart": f"{month}-01"}
    return focus_row(tags, ResourceId=who, ChargeCategory="Usage", **costs, **days)


def tax(month: str, due: str) -> dict[str, Any]:
    return used(month, due, "") | {"Tags": "{}", "ChargeCategory": "Tax", "ServiceName": "Tax", "ResourceId": ""}


def test_a_carried_shared_cost_is_given_back_by_the_shares_under_which_it_was_billed(deliver):
    Source.objects.create(name="aws", shared_costs=Source.SharedCosts.PRO_RATA)
    january = [used("2025-01", "50", "ada"), used("2025-01", "50", "bob")]
    deliver(*january, tax("2025-01", "8"))
    defer(charges(charge_category="Tax"), reason=WHY)
    seal("2025-01")
    deliver(used("2025-02", "75", "ada"), used("2025-02", "25", "bob"), name="feb.csv")
    seal("2025-02")
    assert billed("2025-02") == {("ada", "FUND-ada"): "81.00", ("bob", "FUND-bob"): "27.00"}

    deliver(*january, name="without.csv", late_to="2025-03")
    approve(Charge.objects.held())

    assert billed("2025-03") == {("ada", "FUND-ada"): "-6.00", ("bob", "FUND-bob"): "-2.00"}


def test_a_month_with_a_carried_charge_still_takes_its_file_after_that_vanished(deliver):
    deliver(A, B)
    defer(charges(resource_id="b"), reason=WHY)
    seal("2025-01")

    deliver(A, name="without.csv", late_to="2025-03")
    approve(Charge.objects.held())
    deliver(of("2025-02", "x", "7"), name="feb.csv")

    assert billed() == {("ada", "NSF-1"): "17.00"}


# Billed to nobody yet


@pytest.mark.parametrize("decide", [defer, exclude])
def test_what_was_set_aside_in_a_closed_month_gives_way(deliver, decide):
    deliver(A, B)
    decide(charges(resource_id="b"), reason=WHY)
    make_closed(make_period("2025-01"))

    late = deliver(A, name="without.csv", late_to="2025-03").focus_import
    assert not Charge.objects.filter(loaded_by=late).exists()
    assert not charges(resource_id="b").exists()

    reverse(late, reason="The wrong file was sent")
    assert charges(resource_id="b").get().decision_reason == WHY


def test_it_is_not_brought_back_into_a_month_that_was_finalized_meanwhile(deliver):
    deliver(A, B)
    defer(charges(resource_id="b"), reason=WHY)
    make_closed(make_period("2025-01"))
    late = deliver(A, name="without.csv", late_to="2025-03").focus_import
    seal("2025-01")

    with pytest.raises(PeriodLocked):
        reverse(late, reason="The wrong file was sent")

    assert billed() == {("ada", "NSF-1"): "10.00"}


def test_a_carried_charge_that_is_held_gives_way(deliver):
    deliver(A, B)
    Charge.objects.filter(resource_id="b").update(flags={"pattern": "Look at it"})
    defer(charges(resource_id="b"), reason=WHY)
    seal("2025-01")

    deliver(A, name="without.csv", late_to="2025-02")

    assert not Charge.objects.held().exists()
    assert billed() == {("ada", "NSF-1"): "10.00"}


def test_a_second_late_file_replaces_what_nobody_has_decided_about(deliver):
    deliver(A, B)
    seal("2025-01")
    deliver(A, of("2025-01", "b", "22"), name="one.csv", late_to="2025-02")
    deliver(A, of("2025-01", "b", "23"), name="two.csv", late_to="2025-02")

    approve(Charge.objects.held())

    assert billed() == {("ada", "NSF-1"): "33.00"}
    assert sorted(charges(period__month="2025-02").values_list("kind", "due_amount")) == [
        ("late", Decimal(23)), ("reversal", Decimal(-20)),
    ]  # fmt: skip


# Reversed, and decided about in its own month


def credit(resource: str, due: str, **which: Any) -> Any:
    about = charges(resource_id=resource, **which).exclude(kind="reversal").get()
    return adjust(
        period=about.period, kind="credit", pi=about.pi, project=about.project, charge=about, description="Outage",
        reason="The node was down", due_amount=Decimal(due),
    )  # fmt: skip


@pytest.mark.parametrize("decide", [defer, exclude, undo, to_bob])
def test_a_charge_that_a_late_file_reversed_is_decided_about_there(deliver, decide):
    deliver(A, B)
    make_closed(make_period("2025-01"))
    Charge.objects.filter(resource_id="b").update(review_status="approved")
    deliver(A, name="without.csv", late_to="2025-03")
    reversal = charges(kind="reversal").get()

    with pytest.raises(Refused) as refusal:
        decide(charges(resource_id="b", kind="delivered"), **({} if decide is to_bob else {"reason": WHY}))

    assert str(refusal.value) == (
        f"node-1 (charge {reversal.origin_id}) was reversed by a late delivery: decide about its reversal in March "
        f"2025, charge {reversal.pk}."
    )


def test_the_credit_follows_a_reversal_that_was_deferred(deliver):
    deliver(A, B)
    credit("b", "-5")
    seal("2025-01")
    deliver(A, name="without.csv", late_to="2025-02")
    defer(Charge.objects.held(), reason=WHY)
    seal("2025-02")
    assert billed() == {("ada", "NSF-1"): "25.00"}

    approve(Charge.objects.held())
    assert billed() == {("ada", "NSF-1"): "10.00"}

    undo(charges(kind="carried"))
    assert billed() == {("ada", "NSF-1"): "25.00"}


def test_a_reversed_charge_is_not_credited(deliver):
    deliver(A, B)
    make_closed(make_period("2025-01"))
    deliver(A, name="without.csv", late_to="2025-03")
    credit("b", "-1")  # its reversal is held still, and will take this back
    approve(Charge.objects.held())

    with pytest.raises(Refused) as refusal:
        credit("b", "-5")

    original = charges(resource_id="b", kind="delivered").get()
    assert str(refusal.value) == f"{original} was reversed in March 2025: nothing of it is due any more."
    assert billed() == {("ada", "NSF-1"): "10.00"}


def test_a_row_that_comes_again_names_the_credit_that_was_taken_back(deliver):
    deliver(A, B)
    credit("b", "-5")
    seal("2025-01")
    deliver(A, name="without.csv", late_to="2025-02")
    approve(Charge.objects.held())

    deliver(A, B, name="again.csv", late_to="2025-02")

    said = Charge.objects.held().get().flags["late"]
    assert said.endswith(" Before it was reversed, $5.00 was credited on it: credit it again if that holds.")


def outage() -> CreditCampaign:
    return CreditCampaign(
        period=make_period("2025-01"), code="OUTAGE", description="Outage", reason="The cluster was down.",
        method="percent", percent=Decimal(50),
    )  # fmt: skip


def test_a_campaign_passes_over_what_is_reversed(deliver):
    deliver(A, B)
    make_closed(make_period("2025-01"))
    deliver(A, name="without.csv", late_to="2025-03")
    approve(Charge.objects.held())

    make_campaign(outage())

    assert billed() == {("ada", "NSF-1"): "5.00"}


def test_what_awaits_approval_is_not_approved_on_a_charge_that_was_reversed_meanwhile(
    deliver, settings, django_user_model
):
    settings.ADJUSTMENT_APPROVAL_ABOVE = Decimal(3)
    boss = django_user_model.objects.create_superuser("boss")
    deliver(A, B)
    given, campaign = credit("b", "-5"), make_campaign(outage())
    make_closed(make_period("2025-01"))
    deliver(A, name="without.csv", late_to="2025-03")
    approve(Charge.objects.held())

    for refused in (lambda: approve_adjustment(given, by=boss), lambda: approve_campaign(campaign, by=boss)):
        with pytest.raises(Refused, match="was reversed in March 2025: nothing of it is due any more"):
            refused()

    assert billed() == {("ada", "NSF-1"): "10.00"}


def test_nothing_of_a_reversed_charge_or_line_is_left_to_dispute(deliver):
    deliver(A, B)
    make_closed(make_period("2025-01"))
    original = charges(resource_id="b").get()
    same = {"period": original.period, "pi": original.pi, "project": original.project}
    of_charge = Dispute(**same, charge=original)
    of_line = Dispute(**same, source=original.source, service_name="Compute", funding_account=make_fund())
    assert (at_stake(of_charge).due, at_stake(of_line).due) == (20, 30)

    deliver(A, name="without.csv", late_to="2025-03")
    assert (at_stake(of_charge).due, at_stake(of_line).due) == (20, 30)
    approve(Charge.objects.held())

    assert (at_stake(of_charge).due, at_stake(of_line).due) == (0, 10)


def test_checking_again_leaves_a_reversed_charge_as_it_was_billed(deliver):
    deliver(A, B)
    defer(charges(resource_id="b"), reason=WHY)
    seal("2025-01")
    deliver(A, name="without.csv", late_to="2025-02")
    approve(Charge.objects.held())
    ReviewRule.objects.create(kind="pattern", pattern="node")

    recheck()

    assert billed() == {("ada", "NSF-1"): "10.00"}
