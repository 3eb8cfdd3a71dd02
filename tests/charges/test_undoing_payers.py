"""Whoever paid before a person said who does can be put back, while the month is not finalized."""

from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User

from charges.importing import import_files
from charges.merging import merge
from charges.models import Charge
from charges.review import approve, choose_fund, reattribute, undo
from periods.errors import NotPermitted
from periods.models import AuditEntry
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_charge, make_fund, make_pi, make_project

pytestmark = pytest.mark.django_db
REASON = "Agreed with the department"


def whose(charge: Charge) -> tuple[str, str, str, str, str, list[str]]:
    charge.refresh_from_db()
    names = (str(getattr(charge, name)) for name in ("pi", "project", "funding_account"))
    return (*names, charge.fund_step, charge.review_status, sorted(charge.flags))  # type: ignore[return-value]


def test_who_was_said_to_pay_is_undone_after_the_approval_of_it(reviewer: User) -> None:
    charge = make_charge(
        pi=None, project=None, funding_account=None, fund_step="", review_status="held",
        flags={"missing_pi": "No PI.", "missing_project": "No project.", "missing_fund": "No fund.", "pattern": "It matches."},
    )  # fmt: skip
    orphan, mine = whose(charge), Charge.objects.filter(pk=charge.pk)
    reattribute(mine, pi=make_pi(), project=make_project(), funding_account=make_fund(), reason=REASON, by=reviewer)
    moved = whose(charge)
    reattribute(mine, pi=make_pi("grace@example.edu"), reason=REASON, by=reviewer)
    approve(mine, by=reviewer)

    assert undo(mine, by=reviewer) == 1
    assert whose(charge) == ("grace", *moved[1:])
    assert undo(mine, by=reviewer) == 1
    assert whose(charge) == orphan
    assert undo(mine, by=reviewer) == 0
    entry = AuditEntry.objects.filter(action="undo").latest("pk")
    assert (entry.before, entry.after) == (
        {"grace@example.edu / engine / NSF-1": [charge.pk]},
        {"no PI / no project / no fund": [charge.pk]},
    )


def test_who_paid_before_is_known_by_the_name_merged_into_since(reviewer: User) -> None:
    charge, mine = make_charge(), Charge.objects.all()
    reattribute(mine, pi=make_pi("grace@example.edu"), reason=REASON, by=reviewer)
    merge(make_pi(), make_pi("ada.lovelace@example.edu"), reason=REASON)

    undo(mine, by=reviewer)

    charge.refresh_from_db()
    assert charge.pi == make_pi("ada.lovelace@example.edu")


def test_who_paid_before_is_given_back_only_by_whoever_may_say_who_pays(reviewer: User) -> None:
    make_charge()
    reattribute(Charge.objects.all(), pi=make_pi("grace@example.edu"), reason=REASON, by=reviewer)
    may_review = User.objects.create_user("clerk")
    may_review.user_permissions.add(Permission.objects.get(codename="review_charge"))

    with pytest.raises(NotPermitted):
        undo(Charge.objects.all(), by=may_review)

    assert Charge.objects.get().pi == make_pi("grace@example.edu")


def test_a_changed_row_keeps_the_decision_and_what_its_file_says_behind_it(tmp_path: Path, reviewer: User) -> None:
    import_files([write_focus(tmp_path / "a.csv", focus_row())], source_name="aws")
    reattribute(Charge.objects.all(), pi=make_pi("grace@example.edu"), reason=REASON, by=reviewer)
    import_files([write_focus(tmp_path / "b.csv", focus_row(EffectiveCost="81.00"))], source_name="aws")
    charge = Charge.objects.current().get()
    assert charge.pi == make_pi("grace@example.edu")

    undo(Charge.objects.all(), by=reviewer)

    charge.refresh_from_db()
    assert charge.pi == make_pi()


def test_the_account_that_a_pi_chose_is_undone_too(reviewer: User) -> None:
    charge = make_charge(fund_step="tag")
    before = whose(charge)
    choose_fund(Charge.objects.all(), funding_account=make_fund("GIFT"), reason=REASON, by=reviewer)

    undo(Charge.objects.all(), by=reviewer)

    assert whose(charge) == before


@pytest.mark.parametrize("number", [2, 4])
def test_undoing_costs_the_same_queries_for_any_number_of_charges(number: int, django_assert_num_queries) -> None:
    for _ in range(number):
        make_charge()
    reattribute(Charge.objects.all(), pi=make_pi("grace@example.edu"), reason=REASON)

    with django_assert_num_queries(28):
        assert undo(Charge.objects.all()) == number
