"""Differences of closed months: refused, kept and shown, or loaded into an open month; the closed month stays."""

from decimal import Decimal

import pytest
from django.db.models import Sum

from charges.correcting.rebilling import originals_of
from charges.importing import Delivery, discard, import_files, reverse
from charges.models import Charge, FocusImport, ImportScope, Source
from charges.review import exclude, reattribute
from periods.errors import PeriodNotOpen, Refused
from periods.models import BillingPeriod
from tests.charges.focus_files import write_focus
from tests.charges.late_rows import january, of
from tests.make import make_closed, make_finalized, make_fund, make_period, make_pi, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def deliver(tmp_path):
    def run(*rows: dict, name: str = "jan.csv", source: str = "aws", **options) -> Delivery:
        return import_files([write_focus(tmp_path / name, *rows)], source_name=source, **options)

    return run


@pytest.fixture
def closed_january(deliver):
    deliver(january("a", "10"), january("b", "20"), january("c", "30"))
    return make_finalized(make_closed(make_period("2025-01")))


def loaded(month: str) -> list[tuple[str, str, Decimal, str]]:
    charges = Charge.objects.current().filter(period__month=month).order_by("kind", "resource_id", "due_amount")
    return [(c.kind, c.resource_id, c.due_amount, c.review_status) for c in charges]


def test_a_file_for_a_closed_month_is_refused_and_says_what_to_do(deliver, closed_january):
    with pytest.raises(PeriodNotOpen) as refusal:
        deliver(january("a", "14"), january("b", "20"), january("c", "30"))

    assert str(refusal.value) == (
        "January 2025 is finalized, and this delivery differs from what it holds: nothing was loaded. "
        "Say which open month takes the difference (--late-to)."
    )
    assert FocusImport.objects.loaded().count() == 1


def test_only_the_difference_is_loaded_into_the_open_month(deliver, closed_january):
    delivery = deliver(january("a", "14"), january("b", "20"), january("d", "5"), late_to="2025-03")

    assert (delivery.added, delivery.changed, delivery.removed, delivery.unchanged) == (1, 1, 1, 1)
    assert (delivery.rows, delivery.loaded, delivery.quarantined, delivery.flagged) == (3, 3, 0, 2)
    assert loaded("2025-03") == [
        ("late", "a", Decimal(14), "held"),
        ("late", "d", Decimal(5), "held"),
        ("reversal", "a", Decimal(-10), "held"),
        ("reversal", "c", Decimal(-30), "held"),
    ]
    assert delivery.late_months == [
        {"month": "2025-01", "to": "2025-03", "currency": "USD", "rows": 4, "list": "-21", "due": "-21"}
    ]
    assert [due for *_, due, _ in loaded("2025-01")] == [Decimal(10), Decimal(20), Decimal(30)]


def test_reversal_and_rebill_are_linked_to_the_original_and_keyed_by_its_month(deliver, closed_january):
    deliver(january("a", "14"), january("b", "20"), january("c", "30"), late_to="2025-03")

    original = Charge.objects.get(period=closed_january, resource_id="a")
    rebill, reversal = Charge.objects.filter(period__month="2025-03").order_by("kind")
    assert (rebill.kind, rebill.origin, rebill.late_month) == ("late", original, "2025-01")
    assert (reversal.kind, reversal.origin, reversal.late_month) == ("reversal", original, "2025-01")
    assert (reversal.pi, reversal.project, reversal.funding_account, reversal.source) == (
        original.pi, original.project, original.funding_account, original.source,
    )  # fmt: skip
    assert reversal.flags.keys() == rebill.flags.keys() == {"late"}


def test_a_second_late_file_loads_what_the_first_did_not(deliver, closed_january):
    rows = [january("b", "20"), january("c", "30")]
    deliver(january("a", "14"), *rows, late_to="2025-03")

    again = deliver(january("a", "14"), *rows, name="same.csv", late_to="2025-03")
    more = deliver(january("a", "15"), *rows, name="more.csv", late_to="2025-04")
    back = deliver(january("a", "10"), *rows, name="back.csv", late_to="2025-04")

    assert again.is_repeated
    assert more.late_months[0]["due"] == "1"
    assert back.late_months[0]["due"] == "-5"
    late = Charge.objects.current().exclude(late_month="").aggregate(Sum("due_amount"))
    assert late == {"due_amount__sum": Decimal(0)}


def test_a_preview_names_the_month_that_would_take_the_difference_though_it_is_not_there_yet(deliver, closed_january):
    rows = [january("a", "14"), january("b", "20"), january("c", "30"), of("2025-02", "x", "7")]

    preview = deliver(*rows, late_to="2025-03", dry_run=True)
    assert not BillingPeriod.objects.filter(month="2025-03").exists()
    delivery = deliver(*rows, late_to="2025-03")

    assert preview.periods == delivery.periods == ["2025-02", "2025-03"]
    assert (
        preview.late_months
        == delivery.late_months
        == [{"month": "2025-01", "to": "2025-03", "currency": "USD", "rows": 2, "list": "4", "due": "4"}]
    )
    assert preview.months == delivery.months


def test_rows_of_open_months_in_the_same_file_go_to_their_own(deliver, closed_january):
    delivery = deliver(
        january("a", "10"), january("b", "20"), january("c", "31"), of("2025-02", "x", "7"), late_to="2025-03"
    )

    assert delivery.periods == ["2025-02", "2025-03"]
    assert loaded("2025-02") == [("delivered", "x", Decimal(7), "clear")]
    assert [due for *_, due, _ in loaded("2025-03")] == [Decimal(31), Decimal(-30)]


def test_differences_are_no_part_of_the_snapshot_of_the_month_that_took_them(deliver, closed_january):
    deliver(january("a", "14"), january("b", "20"), january("c", "30"), late_to="2025-03")

    march = deliver(of("2025-03", "x", "7"), name="march.csv")
    again = deliver(of("2025-03", "x", "8"), name="march.csv")

    assert (march.added, march.removed, again.changed, again.removed) == (1, 0, 1, 0)
    assert len(loaded("2025-03")) == 3


def test_the_latest_late_delivery_can_be_reversed(deliver, closed_january):
    rows = [january("b", "20"), january("c", "30")]
    first = deliver(january("a", "14"), *rows, late_to="2025-03").focus_import
    second = deliver(january("a", "15"), *rows, name="more.csv", late_to="2025-03").focus_import

    with pytest.raises(Refused, match="followed by import"):
        reverse(first, reason="The wrong file was sent")
    reverse(second, reason="The wrong file was sent")
    reverse(first, reason="The wrong file was sent")

    assert loaded("2025-03") == []


def test_a_reopened_month_does_not_take_again_what_was_billed_as_a_difference(deliver):
    deliver(january("a", "10"))
    make_closed(make_period("2025-01"))
    late = deliver(january("a", "14"), late_to="2025-03").focus_import
    BillingPeriod.objects.filter(month="2025-01").update(state="open")

    with pytest.raises(Refused) as refusal:
        deliver(january("a", "15"), name="again.csv")

    assert str(refusal.value) == (
        f"Late differences of 2025-01 were loaded into March 2025 by {late}. "
        "Reverse that import first, or they are billed twice."
    )


def test_an_excluded_charge_is_given_back_to_nobody(deliver, closed_january):
    deliver(of("2025-02", "gift", "9"), name="february.csv")
    Charge.objects.filter(resource_id="gift").update(review_status="excluded", decision_reason="A gift")
    make_finalized(make_closed(make_period("2025-02")))

    deliver(of("2025-02", "other", "1"), name="february.csv", late_to="2025-03")

    assert loaded("2025-03") == [
        ("late", "other", Decimal(1), "held"),
        ("reversal", "gift", Decimal(-9), "not_billable"),
    ]


def test_the_target_must_be_open(deliver, closed_january):
    make_closed(make_period("2025-02"))

    with pytest.raises(PeriodNotOpen, match="late differences need an open month"):
        deliver(january("a", "14"), late_to="2025-02")


# Kept, not loaded


@pytest.fixture
def keeping(closed_january):
    Source.objects.filter(name="aws").update(late_policy="keep")


def test_a_late_file_is_kept_and_shown_where_the_source_says_so(deliver, keeping):
    delivery = deliver(january("a", "14"), january("b", "20"), january("c", "30"))

    kept = delivery.focus_import
    assert (kept.state, kept.rows, kept.loaded, kept.quarantined, kept.late) == ("late", 3, 0, 0, 3)
    assert kept.late_months == [{"month": "2025-01", "to": "", "currency": "USD", "rows": 2, "list": "4", "due": "4"}]
    assert kept.totals["USD"]["EffectiveCost"]["late"] == "64"
    assert kept.totals["USD"]["EffectiveCost"]["file"] == "64"
    assert not Charge.objects.filter(loaded_by=kept).exists()
    assert not ImportScope.objects.filter(focus_import=kept).exists()


def test_the_same_kept_file_is_not_kept_twice(deliver, keeping):
    rows = [january("a", "14"), january("b", "20"), january("c", "30")]

    first, second = deliver(*rows), deliver(*rows)

    assert second.is_repeated
    assert second.focus_import == first.focus_import


def test_a_kept_file_is_done_with_once_its_differences_are_loaded(deliver, keeping):
    rows = [january("a", "14"), january("b", "20"), january("c", "30")]
    kept = deliver(*rows).focus_import

    delivery = deliver(*rows, late_to="2025-03")

    assert delivery.focus_import.state == "loaded"
    assert FocusImport.objects.get(pk=kept.pk).state == "discarded"


def test_open_months_are_loaded_while_closed_ones_are_kept(deliver, keeping):
    delivery = deliver(january("a", "14"), of("2025-02", "x", "7"))

    loaded_import = delivery.focus_import
    assert (loaded_import.state, loaded_import.rows, loaded_import.loaded, loaded_import.late) == ("loaded", 2, 1, 1)
    assert loaded("2025-02") == [("delivered", "x", Decimal(7), "clear")]


def test_a_kept_file_can_be_discarded(deliver, keeping):
    kept = deliver(january("a", "14")).focus_import

    assert discard(kept, reason="Not ours to bill").state == "discarded"


def test_who_pays_by_decision_pays_for_the_rebill_too(deliver):
    nobody = {"pi_email": "", "project_id": "", "fund_org": ""}
    deliver(of("2025-01", "a", "10", tags=nobody), january("b", "20"))
    payer = {
        "pi": make_pi("grace@example.edu"),
        "project": make_project("compiler"),
        "funding_account": make_fund("N-2"),
    }
    reattribute(Charge.objects.filter(resource_id="a"), reason="Of another group", **payer)
    make_closed(BillingPeriod.objects.get())

    deliver(of("2025-01", "a", "11", tags=nobody), january("b", "20"), late_to="2025-03")

    late = Charge.objects.filter(period__month="2025-03").order_by("due_amount")
    assert [(c.due_amount, c.pi, c.project, c.funding_account, list(c.flags)) for c in late] == [
        (Decimal(-10), *payer.values(), ["late"]),
        (Decimal(11), *payer.values(), ["late"]),
    ]


def test_the_rebill_of_what_was_excluded_says_so_and_keeps_its_other_flags(deliver):
    of_nobody = {"tags": {"fund_org": ""}}
    deliver(of("2025-01", "a", "10", **of_nobody), january("b", "20"))
    exclude(Charge.objects.filter(resource_id="a"), reason="Our own experiment")
    make_closed(BillingPeriod.objects.get())

    deliver(of("2025-01", "a", "11", **of_nobody), january("b", "20"), late_to="2025-03")

    rebill = Charge.objects.get(kind=Charge.Kind.LATE)
    assert (rebill.review_status, rebill.flags) == (
        "held",
        {
            "missing_fund": "No tag, rule or project default names a fund.",
            "late": "2025-01 was closed when this came: it is the difference to what that month holds. "
            "What it replaces is excluded: Our own experiment",
        },
    )


def test_a_difference_that_bills_nobody_is_shown_all_the_same(deliver):
    Source.objects.create(name="aws", late_policy=Source.LatePolicy.KEEP)
    prepaid = {"ChargeCategory": "Purchase", "CommitmentDiscountId": "c-1"}
    rows = [of("2025-01", "a", "10") | {"ChargeCategory": "Usage", "CommitmentDiscountId": ""}]
    purchase = of("2025-01", "p", "500") | prepaid | {"EffectiveCost": "0"}
    deliver(*rows, purchase)
    make_closed(BillingPeriod.objects.get())

    kept = deliver(*rows, purchase | {"BilledCost": "600"})

    assert kept.late_months == [{"month": "2025-01", "to": "", "currency": "USD", "rows": 2, "list": "0", "due": "0"}]


def test_a_row_that_comes_again_after_its_reversal_was_left_out_says_that_it_is_billed_already(deliver, closed_january):
    february = make_period("2025-02")
    deliver(january("b", "20"), january("c", "30"), name="without.csv", late_to="2025-02")
    gone = Charge.objects.get(period=february, kind="reversal")
    exclude(Charge.objects.filter(pk=gone.pk), reason="The export had lost the row.")

    deliver(january("a", "10"), january("b", "20"), january("c", "30"), name="again.csv", late_to="2025-02")

    again = Charge.objects.current().get(period=february, kind="late")
    assert (again.resource_id, again.review_status) == ("a", "held")
    assert again.flags["late"].endswith("so that it is billed already: approve one of the two.")


def test_a_charge_whose_reversal_was_left_out_is_corrected_by_that_reversal(deliver, closed_january):
    deliver(january("b", "20"), january("c", "30"), name="without.csv", late_to="2025-02")
    gone = Charge.objects.filter(kind="reversal")
    exclude(gone, reason="The export had lost the row.")

    with pytest.raises(Refused) as refusal:
        originals_of([gone.get().origin_id])

    assert str(refusal.value) == (
        f"A reversal of charge {gone.get().origin_id} was excluded in February 2025: "
        "undo that and approve it, or adjust the charge."
    )


def test_what_is_paid_for_elsewhere_comes_again_after_its_reversal(deliver):
    paid = january("paid", "0") | {"ChargeCategory": "Purchase", "BilledCost": "50"}
    deliver(january("a", "10"), paid)
    make_closed(make_period("2025-01"))
    deliver(january("a", "10"), late_to="2025-02")

    deliver(january("a", "10"), paid, late_to="2025-03")

    assert loaded("2025-03") == [("late", "paid", Decimal(0), "not_billable")]
