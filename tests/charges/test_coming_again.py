"""What people decided about a charge holds when it comes again, after deliveries that lacked it or could not say it."""

from decimal import Decimal
from pathlib import Path

import pytest

from charges import review
from charges.importing import Delivery, correct_row, reverse
from charges.models import Charge, FocusImport, ImportIssue
from periods.errors import Refused
from tests.charges.focus_files import focus_row
from tests.charges.folders import deliver, folder
from tests.make import make_fund, make_pi, make_project

__all__ = ["folder"]

pytestmark = pytest.mark.django_db
REASON = "Our own experiment"
A, B, C = (focus_row(ResourceId=name) for name in "abc")


def statuses() -> dict[str, str]:
    return dict(Charge.objects.current().order_by("resource_id").values_list("resource_id", "review_status"))


def told(delivery: Delivery, word: str) -> list[str]:
    return [sentence for sentence in delivery.warnings if word in sentence]


def decide(resource: str) -> None:
    review.exclude(Charge.objects.current().filter(resource_id=resource), reason=REASON)


@pytest.mark.parametrize("between", [[B, C], [A | {"EffectiveCost": "NaN"}, B, C]])
def test_a_row_that_one_delivery_lacked_is_excluded_still(folder: Path, between: list[dict]) -> None:
    deliver(folder, A, B, C)
    decide("a")

    gap = deliver(folder, *between)
    again = deliver(folder, A, B, C)
    last = deliver(folder, A, B, C | {"EffectiveCost": "81"})

    assert told(gap, "decided") == [
        "1 charge that somebody decided about is in this delivery no more; what was decided holds when it comes again."
    ]
    assert (again.added, again.changed, again.removed, again.unchanged) == (1, 0, 0, 2)
    assert told(again, "decided") == []
    assert (last.added, last.changed, last.removed, last.unchanged) == (0, 1, 0, 2)
    assert statuses() == {"a": "excluded", "b": "clear", "c": "clear"}


def test_a_row_that_comes_again_twice_follows_the_last_decision(folder: Path) -> None:
    deliver(folder, A, B)
    decide("a")
    deliver(folder, B)
    deliver(folder, A, B)
    review.undo(Charge.objects.current().filter(resource_id="a"), reason="It is theirs after all")
    deliver(folder, B)

    deliver(folder, A, B)

    assert statuses() == {"a": "clear", "b": "clear"}


def test_who_pays_by_decision_pays_when_the_row_comes_again_with_another_amount(folder: Path) -> None:
    deliver(folder, A, B)
    payer = {
        "pi": make_pi("grace@example.edu"),
        "project": make_project("compiler"),
        "funding_account": make_fund("F-2"),
    }
    review.reattribute(Charge.objects.filter(resource_id="a"), **payer, reason="Said so by phone")
    deliver(folder, B)

    deliver(folder, A | {"EffectiveCost": "70"}, B)

    charge = Charge.objects.current().get(resource_id="a")
    assert (charge.pi, charge.project, charge.funding_account) == tuple(payer.values())
    assert charge.due_amount == Decimal(70)


def test_an_approval_does_not_hold_for_far_more(folder: Path) -> None:
    odd = focus_row(ResourceId="a", ListCost="1")
    deliver(folder, odd, B)
    review.approve(Charge.objects.filter(resource_id="a"))
    deliver(folder, B)

    deliver(folder, odd | {"EffectiveCost": "8000"}, B)

    charge = Charge.objects.current().get(resource_id="a")
    assert (charge.review_status, charge.flags["changed_after_approval"]) == (
        "held",
        "Due was 80 when it was approved.",
    )


def test_a_month_that_a_broken_file_emptied_comes_again_as_it_was_decided(folder: Path) -> None:
    deliver(folder, A, B, C)
    decide("a")
    broken = [row | {"EffectiveCost": "80,00"} for row in (A, B, C)]

    with pytest.raises(Refused) as refusal:
        deliver(folder, *broken)
    forced = deliver(folder, *broken, force=True)
    again = deliver(folder, C, B, A)

    assert str(refusal.value) == (
        "2025-01 holds 3 rows without a billing account, and of those that this delivery has instead none can be used. "
        "Use --force if that is right."
    )
    assert (forced.loaded, forced.quarantined, forced.removed) == (0, 3, 3)
    assert (again.added, again.loaded) == (3, 3)
    assert statuses() == {"a": "excluded", "b": "clear", "c": "clear"}


def test_a_row_that_came_again_in_a_delivery_that_was_reversed_comes_once_more(folder: Path) -> None:
    deliver(folder, A, B)
    decide("a")
    deliver(folder, B)
    again = deliver(folder, A, B)
    reverse(FocusImport.objects.get(pk=again.focus_import.pk), reason="The wrong file of two")

    deliver(folder, B, A)

    assert statuses() == {"a": "excluded", "b": "clear"}


@pytest.mark.parametrize("later", [A, A | {"EffectiveCost": "80,00"}])
def test_a_row_that_is_corrected_is_excluded_as_it_was(folder: Path, later: dict) -> None:
    deliver(folder, A, B)
    decide("a")
    deliver(folder, A | {"EffectiveCost": "80,00"}, B)

    charge = correct_row(ImportIssue.objects.get(), correction={"EffectiveCost": "80.00"}, reason="A comma for a point")
    after = charge.review_status, statuses()
    deliver(folder, later, B | {"EffectiveCost": "81"})

    assert after == ("excluded", {"a": "excluded", "b": "clear"})
    assert statuses() == {"a": "excluded", "b": "clear"}


def test_parts_of_a_row_that_comes_again_are_excluded_still(folder: Path) -> None:
    ends = focus_row(ResourceId="a", ChargePeriodEnd="2025-02-01", tags={"end_date": "2025-01-15"})
    deliver(folder, ends, B)
    review.exclude(Charge.objects.current().filter(kind="part"), reason=REASON)
    gap = deliver(folder, B)

    deliver(folder, ends, B)

    parts = Charge.objects.current().filter(kind="part").order_by("pk")
    assert list(parts.values_list("review_status", flat=True)) == ["excluded", "excluded"]
    assert len(told(gap, "decided")) == 1


def test_an_account_that_a_spreadsheet_rounded_is_none(folder: Path) -> None:
    rows = [row | {"BillingAccountId": "123456789012"} for row in (A, B)]
    deliver(folder, *rows)

    rounded = deliver(folder, *(row | {"BillingAccountId": "1.23457E+11"} for row in rows))

    assert (rounded.loaded, rounded.quarantined, rounded.removed) == (0, 2, 0)
    assert set(ImportIssue.objects.values_list("column", "raw_value", "sentence")) == {
        (
            "BillingAccountId",
            "1.23457E+11",
            "BillingAccountId is a number of which a spreadsheet left a few digits: export the file anew.",
        )
    }
    assert len(statuses()) == 2


def test_a_delivery_of_other_accounts_says_what_stays_beside_it(folder: Path) -> None:
    deliver(folder, A | {"BillingAccountId": "004455"})

    other = deliver(folder, A | {"BillingAccountId": "4455"})

    [sentence] = told(other, "also holds")
    assert sentence == (
        "2025-01 also holds rows of the billing accounts 004455, which this delivery does not name: they stay. "
        "If it is the same account in other words, reverse this import and mend the file."
    )
