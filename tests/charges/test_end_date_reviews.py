"""What a reviewer or a merge decides about a row that runs past the end of its fund."""

from datetime import date

import pytest

from charges.merging import merge
from charges.models import Charge
from charges.review import approve, defer, exclude, reattribute, undo
from tests.charges.end_dates import adds_up, deliver, ending, parts, whole
from tests.charges.focus_files import focus_row
from tests.make import make_closed, make_fund, make_period, make_project, make_rate, make_source

__all__ = ["deliver"]

pytestmark = pytest.mark.django_db


def test_a_reviewer_names_a_project_that_ends_within_the_days_of_the_row(deliver):
    ending()
    deliver(focus_row({"project_id": "lost"}, EffectiveCost="62.00", BilledCost="62.00"))

    reattribute(Charge.objects.all(), project=make_project(), reason="the tag named no project of theirs")

    assert parts() == [
        ("01-01", "01-16", "NSF-1", "tag", "3E+1", "clear"),
        ("01-16", "02-01", "OPS-1", "fallback", "32", "clear"),
    ]
    assert whole().review_status == "divided"
    assert adds_up(make_period()) == {"adds up"}


def test_a_fund_that_the_reviewer_names_bears_all_days(deliver):
    ending()
    deliver(focus_row({"project_id": "lost"}, EffectiveCost="62.00", BilledCost="62.00"))

    reattribute(Charge.objects.all(), project=make_project(), funding_account=make_fund("GIFT"), reason="it was agreed")

    assert (whole().review_status, parts()) == ("clear", [])


def test_a_part_that_moves_into_a_project_that_ends_within_it_is_divided_again_and_replaced_whole(deliver):
    ending()
    sooner = make_project("sooner", end_date=date(2025, 1, 5), fallback_fund=make_fund("GIFT"))
    deliver(focus_row(EffectiveCost="62.00", BilledCost="62.00"))

    reattribute(Charge.objects.filter(kind="part", due_amount=30), project=sooner, reason="theirs until the fifth")

    assert [row[2:] for row in parts()] == [
        ("NSF-1", "tag", "3E+1", "divided"),
        ("NSF-1", "tag", "1E+1", "clear"),
        ("GIFT", "fallback", "2E+1", "clear"),
        ("OPS-1", "fallback", "32", "clear"),
    ]
    assert adds_up(make_period()) == {"adds up"}
    deliver(focus_row(EffectiveCost="93.00"))
    assert sum(charge.due_amount for charge in Charge.objects.billable()) == 93


def test_the_next_delivery_is_divided_where_the_reviewer_had_it_divided(deliver):
    ending()
    deliver(focus_row({"project_id": "lost"}, EffectiveCost="62.00"))
    reattribute(Charge.objects.all(), project=make_project(), reason="the tag named no project of theirs")

    deliver(focus_row({"project_id": "lost"}, EffectiveCost="93.00"))

    assert [row[2:5] for row in parts()] == [("NSF-1", "tag", "45"), ("OPS-1", "fallback", "48")]
    assert sum(charge.due_amount for charge in Charge.objects.billable()) == 93


def test_what_was_approved_is_reviewed_anew_by_its_parts(deliver):
    ending(fallback=None)
    deliver(focus_row({"project_id": "lost"}, EffectiveCost="62.00", BilledCost="62.00", BillingCurrency="EUR"))
    make_rate("2", source=make_source("aws"))
    approve(Charge.objects.all())

    reattribute(Charge.objects.all(), project=make_project(), reason="the tag named no project of theirs")

    assert [row[4:] for row in parts()] == [("6E+1", "held"), ("64", "held")]
    approve(Charge.objects.filter(kind="part"))
    assert [row[4:] for row in parts()] == [("6E+1", "approved"), ("64", "approved")]
    assert adds_up(make_period()) == {"adds up"}


@pytest.mark.parametrize("set_aside", [exclude, defer])
def test_what_was_set_aside_stays_so_by_its_parts(deliver, set_aside):
    ending()
    deliver(focus_row({"project_id": "lost"}, EffectiveCost="62.00"))
    set_aside(Charge.objects.all(), reason="nobody knows yet whose it is")
    status = whole().review_status

    reattribute(Charge.objects.all(), project=make_project(), reason="the tag named no project of theirs")

    assert (whole().review_status, [row[5] for row in parts()]) == ("divided", [status, status])
    undo(Charge.objects.all())
    assert [row[2:] for row in parts()] == [
        ("NSF-1", "tag", "3E+1", "clear"),
        ("OPS-1", "fallback", "32", "clear"),
    ]


def test_a_late_change_is_divided_where_the_reviewer_had_the_row_divided(deliver):
    ending()
    deliver(focus_row({"project_id": "lost"}, EffectiveCost="62.00"))
    reattribute(Charge.objects.all(), project=make_project(), reason="the tag named no project of theirs")
    make_closed(make_period())

    deliver(focus_row({"project_id": "lost"}, EffectiveCost="93.00"), late_to="2025-02")

    assert [row[2:] for row in parts(period__month="2025-02")] == [
        ("NSF-1", "tag", "45", "held"),
        ("OPS-1", "fallback", "48", "held"),
    ]
    approve(Charge.objects.held())
    assert sum(charge.due_amount for charge in Charge.objects.billable()) == 93
    deliver(focus_row({"project_id": "lost"}, EffectiveCost="31.00"), late_to="2025-03")
    assert [row[2:] for row in parts(period__month="2025-03")] == [
        ("NSF-1", "tag", "15", "held"),
        ("OPS-1", "fallback", "16", "held"),
    ]


def test_a_project_that_another_is_merged_into_ends_within_the_days_of_the_row(deliver):
    ending()
    deliver(focus_row({"project_id": "typo"}, EffectiveCost="62.00", BilledCost="62.00"))

    merge(make_project("typo"), make_project(), reason="A typo in the tags")

    assert [row[2:] for row in parts()] == [
        ("NSF-1", "tag", "3E+1", "clear"),
        ("OPS-1", "fallback", "32", "clear"),
    ]
    assert adds_up(make_period()) == {"adds up"}


def test_a_fund_that_another_is_merged_into_ends_within_the_days_of_the_row(deliver):
    deliver(focus_row({"fund_org": "TYPO"}, EffectiveCost="62.00"))

    merge(make_fund("TYPO"), make_fund(valid_until=date(2025, 1, 15)), reason="A typo in the tags")

    assert [row[2:] for row in parts()] == [("NSF-1", "tag", "3E+1", "clear"), ("NSF-1", "tag", "32", "held")]


def test_a_reviewer_decides_about_parts_and_never_about_the_row(deliver):
    ending()
    deliver(focus_row(EffectiveCost="62.00"))

    changed = exclude(Charge.objects.all(), reason="all of it is billed elsewhere")

    assert (changed, whole().review_status) == (2, "divided")
