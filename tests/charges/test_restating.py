"""A month that is delivered again: what is the same stays, what was decided survives, what falls too far is refused."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import Sum

from charges import review
from charges.importing import Delivery, reverse
from charges.models import Charge, FocusImport, FundingAccount, ImportIssue, PrincipalInvestigator, Project, Source
from periods.errors import Refused
from periods.models import BillingPeriod
from tests.charges.focus_files import focus_row
from tests.charges.folders import deliver, folder

__all__ = ["folder"]

pytestmark = pytest.mark.django_db


def numbers(delivery: Delivery) -> tuple[int, int, int, int]:
    return delivery.added, delivery.changed, delivery.removed, delivery.unchanged


def test_the_same_file_again_changes_nothing(folder: Path) -> None:
    first = deliver(folder, focus_row(), focus_row())
    again = deliver(folder, focus_row(), focus_row())

    assert again.as_json() == first.as_json() | {"added": 0, "unchanged": 2}
    assert (FocusImport.objects.count(), Charge.objects.count()) == (1, 2)


def test_the_same_bytes_under_another_source_are_refused(folder: Path) -> None:
    deliver(folder, focus_row())

    with pytest.raises(Refused, match="loaded as a delivery of aws"):
        deliver(folder, focus_row(), source="azure")


def test_equal_rows_are_never_merged(folder: Path) -> None:
    deliver(folder, focus_row(), focus_row(), focus_row())
    later = deliver(folder, focus_row(), focus_row())

    assert numbers(later) == (0, 0, 1, 2)
    assert Charge.objects.billable().count() == 2


def test_a_snapshot_leaves_unchanged_rows_and_supersedes_the_others(folder: Path) -> None:
    stays, moves, goes = (focus_row(ResourceId=name) for name in ("stays", "moves", "goes"))
    deliver(folder, stays, moves, goes)
    kept = Charge.objects.get(resource_id="stays")

    second = deliver(folder, stays, moves | {"EffectiveCost": "70"}, focus_row(ResourceId="new"))

    assert numbers(second) == (1, 1, 1, 1)
    current = Charge.objects.current().order_by("resource_id")
    assert list(current.values_list("resource_id", "due_amount")) == [("moves", 70), ("new", 80), ("stays", 80)]
    assert current.get(resource_id="stays").pk == kept.pk
    assert Charge.objects.filter(superseded_by=second.focus_import).count() == 2
    assert current.get(resource_id="moves").replaces.due_amount == 80


def test_a_dry_run_gives_the_same_numbers_and_writes_nothing(folder: Path) -> None:
    deliver(folder, focus_row(ResourceId="a"), focus_row(ResourceId="b"))
    rows = [focus_row(ResourceId="a", EffectiveCost="1"), focus_row(ResourceId="c", EffectiveCost="x")]
    before = (FocusImport.objects.count(), Charge.objects.count(), ImportIssue.objects.count())

    dry = deliver(folder, *rows, dry_run=True)

    assert (FocusImport.objects.count(), Charge.objects.count(), ImportIssue.objects.count()) == before
    wet = deliver(folder, *rows)
    assert wet.as_json() == dry.as_json() | {"import": wet.focus_import.pk}
    assert (
        dry.change_set
        == wet.change_set
        == [{"currency": "USD", "project": "engine", "rows": 1, "gone": 2, "list": "-100", "due": "-159"}]
    )


def test_a_dry_run_makes_no_source_no_period_and_no_payer(folder: Path) -> None:
    deliver(folder, focus_row(), dry_run=True)

    assert not any(m.objects.exists() for m in (Source, BillingPeriod, PrincipalInvestigator, Project, FundingAccount))


def test_other_accounts_of_the_source_are_left_alone(folder: Path) -> None:
    deliver(folder, focus_row(BillingAccountId="1"), focus_row(BillingAccountId="2"))

    second = deliver(folder, focus_row(BillingAccountId="2", EffectiveCost="5"))

    assert numbers(second) == (0, 1, 0, 0)
    assert Charge.objects.current().aggregate(due=Sum("due_amount"))["due"] == 85


def test_a_reviewers_decisions_survive_a_restated_month(folder: Path) -> None:
    names = ["approved", "moved", "excluded", "deferred", "assigned"]
    rows = {name: focus_row(ResourceId=name, tags={"fund_org": ""}) for name in names}
    deliver(folder, *rows.values())
    fund = FundingAccount.objects.create(code="GIFT")
    charges = Charge.objects.current()
    review.reattribute(charges.filter(resource_id="assigned"), funding_account=fund, reason="Their own gift fund")
    review.exclude(charges.filter(resource_id="excluded"), reason="A test machine of ours")
    review.defer(charges.filter(resource_id="deferred"), reason="Fund comes next month")

    deliver(folder, *(row | {"EffectiveCost": "79.99"} for row in rows.values()))

    status = dict(Charge.objects.current().values_list("resource_id", "review_status"))
    assert status == {
        "approved": "held", "moved": "held", "excluded": "excluded", "deferred": "deferred", "assigned": "clear"
    }  # fmt: skip
    assert Charge.objects.current().get(resource_id="assigned").funding_account == fund


@pytest.mark.parametrize(("threshold", "status"), [("0", "held"), ("0.50", "approved")])
def test_an_approval_survives_unless_due_moves_beyond_the_threshold(folder: Path, threshold: str, status: str) -> None:
    row = focus_row(BillingPeriodStart="2025-02-01")
    deliver(folder, row, period="2025-01")
    Source.objects.update(approval_threshold=Decimal(threshold))
    review.approve(Charge.objects.held())

    deliver(folder, row | {"EffectiveCost": "80.50"}, period="2025-01")

    charge = Charge.objects.current().get()
    assert charge.review_status == status
    assert ("changed_after_approval" in charge.flags) is (status == "held")


def test_a_sudden_fall_needs_force(folder: Path) -> None:
    deliver(folder, *(focus_row(ResourceId=f"i-{n}") for n in range(10)))
    Source.objects.update(fall_threshold=20)

    with pytest.raises(Refused, match="90 % fewer rows"):
        deliver(folder, focus_row(ResourceId="i-1"))

    assert Charge.objects.current().count() == 10
    assert deliver(folder, focus_row(ResourceId="i-1"), force=True).removed == 9


def test_a_sudden_fall_of_the_total_needs_force(folder: Path) -> None:
    deliver(folder, *(focus_row(EffectiveCost="100", BillingAccountId=account) for account in ("one", "other")))
    Source.objects.update(fall_threshold=20)
    cheaper = [
        focus_row(EffectiveCost=cost, BillingAccountId=account) for cost, account in (("70", "one"), ("100", "other"))
    ]

    assert deliver(folder, *cheaper).changed == 1  # 15 % of the whole
    with pytest.raises(Refused, match="The amount due of 2025-01 falls by 30 of 100 USD"):
        deliver(folder, focus_row(EffectiveCost="70", BillingAccountId="other"), name="other.csv")


def test_a_month_that_falls_needs_force_though_another_grows(folder: Path) -> None:
    deliver(folder, *(focus_row(ResourceId=f"i-{n}") for n in range(10)))
    Source.objects.update(fall_threshold=20)
    february = [focus_row(ResourceId=f"f-{n}", BillingPeriodStart="2025-02-01") for n in range(20)]

    with pytest.raises(Refused) as refusal:
        deliver(folder, focus_row(ResourceId="i-1"), *february)

    assert str(refusal.value) == (
        "The delivery has 90 % fewer rows of 2025-01 than the last one. Use --force if that is right."
    )
    assert Charge.objects.current().count() == 10


def test_reversing_the_latest_delivery_brings_the_earlier_one_back(folder: Path) -> None:
    first = deliver(folder, focus_row()).focus_import
    second = deliver(folder, focus_row(EffectiveCost="5")).focus_import

    with pytest.raises(Refused, match=f"^Only the latest delivery can be reversed; {first} was followed by {second}.$"):
        reverse(first, reason="wrong file uploaded")
    reverse(second, reason="wrong file uploaded")

    assert Charge.objects.current().get().due_amount == 80
    assert not deliver(folder, focus_row(EffectiveCost="5")).is_repeated


def test_quarantined_rows_of_a_replaced_delivery_need_no_decision(folder: Path) -> None:
    deliver(folder, focus_row(), focus_row(EffectiveCost="x"))
    deliver(folder, focus_row(), focus_row(EffectiveCost="4"))

    assert ImportIssue.objects.get().status == "replaced"
