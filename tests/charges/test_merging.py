"""One payer under two names: unsealed months move, sealed ones keep their words, later deliveries follow."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.urls import reverse

from charges.adjusting import adjust
from charges.importing import import_files
from charges.merging import merge
from charges.models import AttributionRule, Charge, FundingSplit, PIAddress, PrincipalInvestigator, ReviewRule
from charges.review import reattribute, undo
from periods.errors import NotPermitted, Refused
from periods.models import AuditEntry
from statements.models import Statement
from tests.charges.focus_files import focus_row, write_focus
from tests.make import (
    make_charge,
    make_closed,
    make_finalized,
    make_fund,
    make_period,
    make_pi,
    make_project,
    make_source,
    make_statement,
)

pytestmark = pytest.mark.django_db
WHY = "A typo in the tags"


@pytest.fixture
def ada():
    return make_pi("ada@example.edu")


@pytest.fixture
def typo():
    return make_pi("ada@exmple.edu")


def of(month: str, typo: PrincipalInvestigator) -> Charge:
    return make_charge(period=make_period(month), pi=typo)


def test_months_that_are_not_finalized_move(ada, typo):
    sealed, closed, opened = of("2025-01", typo), of("2025-02", typo), of("2025-03", typo)
    make_finalized(make_closed(sealed.period))
    make_closed(closed.period)

    moved = merge(typo, ada, reason=WHY)

    assert moved == {"charge": 2}
    assert [Charge.objects.get(pk=charge.pk).pi for charge in (sealed, closed, opened)] == [typo, ada, ada]
    entry = AuditEntry.objects.get(action="merge")
    assert (entry.after, entry.reason) == ({"into": "ada@example.edu", "moved": {"charge": 2}}, WHY)


@pytest.mark.parametrize(
    ("tag", "make", "field"),
    [
        ("pi_email", lambda name: make_pi(f"{name}@example.edu"), "pi"),
        ("project_id", make_project, "project"),
        ("fund_org", make_fund, "funding_account"),
    ],
)
def test_a_later_delivery_that_says_the_old_name_means_the_new_one(tmp_path, tag, make, field):
    old, new = make("old"), make("new")
    merge(old, new, reason=WHY)

    import_files([write_focus(tmp_path / "jan.csv", focus_row(tags={tag: "old"}))], source_name="aws")

    charge = Charge.objects.get()
    assert (getattr(charge, field), charge.review_status) == (new, "clear")


def test_a_chain_ends_at_the_last(tmp_path):
    first, second, third = (make_project(code) for code in ("first", "second", "third"))
    merge(first, second, reason=WHY)
    merge(second, third, reason=WHY)

    import_files([write_focus(tmp_path / "jan.csv", focus_row(tags={"project_id": "first"}))], source_name="aws")

    assert Charge.objects.get().project == third


def test_rules_and_projects_follow(ada, typo):
    fund, spare = make_fund("A-1"), make_fund("A1")
    rule = AttributionRule.objects.create(pi=typo, service_name="VM")
    project = make_project(default_fund=spare)

    merge(typo, ada, reason=WHY)
    merge(spare, fund, reason=WHY)

    rule.refresh_from_db()
    project.refresh_from_db()
    assert (rule.pi, project.default_fund) == (ada, fund)
    assert project.history.count() == 2


def test_both_addresses_sign_in_and_see_all(ada, typo, django_user_model):
    statement = make_statement(pi=typo)
    merge(typo, ada, reason=WHY)

    users = [django_user_model.objects.create_user(str(n), email=pi.email) for n, pi in enumerate((ada, typo))]

    assert [list(Statement.objects.visible_to(user)) for user in users] == [[statement]] * 2
    assert PIAddress.objects.get().pi == ada


def test_the_fund_that_stays_is_judged_in_place_of_the_typo():
    ReviewRule.objects.create(kind="fund_format", pattern=r"^NSF-\d+$")
    source, period = make_source(), make_period()
    held = {
        "due_amount": "10",
        "review_status": "held",
        "flags": {"fund_format": "NFS-1 is not in the configured format."},
    }
    charges = [
        make_charge(period=period, source=source, funding_account=make_fund("NFS-1"), **held),
        make_charge(period=period, source=source, funding_account=make_fund("WRONG"), **held),
    ]

    merge(charges[0].funding_account, make_fund("NSF-1"), reason=WHY)
    merge(charges[1].funding_account, make_fund("ALSO"), reason=WHY)

    for charge in charges:
        charge.refresh_from_db()
    assert [(charge.review_status, charge.flags) for charge in charges] == [
        ("clear", {}),
        ("held", {"fund_format": "ALSO is not in the configured format."}),
    ]


@pytest.mark.parametrize("last_month", ["", "2025-03"])
def test_a_split_in_force_would_divide_the_other_projects_months(last_month):
    make_period("2025-03")
    old, new, fund = make_project("old"), make_project("new"), make_fund()
    FundingSplit.objects.create(project=old, first_month="2025-01", last_month=last_month, remainder_account=fund)

    with pytest.raises(Refused) as refusal:
        merge(old, new, reason=WHY)

    old.refresh_from_db()
    assert (str(refusal.value), old.merged_into) == (
        "old has a funding split that is in force: end it before the months that move.",
        None,
    )


def test_a_split_that_has_ended_stays_with_its_months():
    make_period("2025-03")
    old, new = make_project("old"), make_project("new")
    split = FundingSplit.objects.create(
        project=old, first_month="2025-01", last_month="2025-02", remainder_account=make_fund()
    )

    merge(old, new, reason=WHY)

    split.refresh_from_db()
    assert split.project == old


def test_nothing_is_merged_into_itself_or_twice(ada, typo):
    with pytest.raises(Refused, match=r"^ada@example\.edu cannot be merged into itself\.$"):
        merge(ada, ada, reason=WHY)
    merge(typo, ada, reason=WHY)

    for one, other in ((typo, ada), (make_pi("bob@example.edu"), typo)):
        with pytest.raises(Refused, match=r"^ada@exmple\.edu is merged into ada@example\.edu already\.$"):
            merge(one, other, reason=WHY)


def test_the_rebill_of_a_sealed_month_goes_to_the_one_that_stays(tmp_path):
    def january(due: str):
        rows = [focus_row(tags={"pi_email": "old"}, EffectiveCost=due), focus_row(ResourceId="i-2")]
        return write_focus(tmp_path / "jan.csv", *rows)

    import_files([january("10")], source_name="aws")
    make_finalized(make_closed(make_period("2025-01")))
    new = make_pi("new@example.edu")
    merge(PrincipalInvestigator.objects.get(email="old@example.edu"), new, reason=WHY)

    import_files([january("12")], source_name="aws", late_to="2025-02")

    late = Charge.objects.filter(period__month="2025-02").order_by("due_amount")
    assert [(charge.pi, charge.due_amount) for charge in late] == [(new, Decimal(-10)), (new, Decimal(12))]


def test_it_needs_its_permission(ada, typo, reviewer, auditor):
    with pytest.raises(NotPermitted):
        merge(typo, ada, reason=WHY, by=auditor)

    merge(typo, ada, reason=WHY, by=reviewer)

    assert PrincipalInvestigator.objects.get(pk=typo.pk).merged_into == ada


def test_staff_merge_on_the_page(client, reviewer, ada, typo):
    client.force_login(reviewer)
    step = reverse("admin:charges_principalinvestigator_step", args=[typo.pk, "merge"])

    response = client.post(step, {"into": ada.pk, "reason": WHY}, follow=True)

    said = [str(message) for message in response.context["messages"]]
    assert said == ["ada@exmple.edu is ada@example.edu from now on. Moved: nothing, as nothing was named so."]
    assert client.get(step, follow=True).redirect_chain != []


def test_what_is_merged_away_is_nowhere_to_be_chosen(client, reviewer, ada, typo):
    merge(typo, ada, reason=WHY)
    client.force_login(reviewer)
    query = {"app_label": "charges", "model_name": "charge", "field_name": "pi", "term": "ada"}

    found = client.get(reverse("admin:autocomplete"), query).json()["results"]
    listed = client.get(reverse("admin:charges_principalinvestigator_changelist"), {"q": "ada"})

    assert [result["id"] for result in found] == [str(ada.pk)]
    assert listed.context["cl"].result_count == 2


def test_a_merged_name_is_no_target(ada, typo):
    charge = make_charge(pi=ada)
    merge(typo, ada, reason=WHY)
    typo.refresh_from_db()

    with pytest.raises(Refused, match=r"^ada was merged into ada: name that one\.$"):
        reattribute(Charge.objects.filter(pk=charge.pk), pi=typo, reason=WHY)
    with pytest.raises(Refused, match=r"^ada was merged into ada: name that one\.$"):
        adjust(
            period=charge.period, kind="credit", pi=typo, project=charge.project, description="Outage",
            reason=WHY, due_amount=Decimal(-1), funding_account=charge.funding_account,
        )  # fmt: skip


def test_a_split_keeps_the_fund_that_finalized_months_were_divided_by():
    old, new = make_fund("old"), make_fund("new")
    split = FundingSplit.objects.create(project=make_project(), first_month="2025-01", remainder_account=old)
    split.shares.create(funding_account=make_fund("third"), percent=Decimal(60))
    make_finalized(make_closed(make_period("2025-01")))

    with pytest.raises(Refused, match="divided finalized months: end it"):
        merge(old, new, reason=WHY)
    split.last_month = "2025-01"
    split.save()
    merge(old, new, reason=WHY)

    split.refresh_from_db()
    assert split.remainder_account == old


def test_a_clear_charge_is_held_where_the_fund_that_stays_was_not_valid():
    charge = make_charge(
        funding_account=make_fund("old"), due_amount="10", charge_period_start=datetime(2025, 1, 5, tzinfo=UTC)
    )

    merge(charge.funding_account, make_fund("new", valid_until=date(2024, 12, 31)), reason=WHY)

    charge.refresh_from_db()
    assert (charge.review_status, charge.flags) == ("held", {"expired": "new could be charged until 2024-12-31."})


def test_what_comes_after_the_end_of_the_project_is_held() -> None:
    days = [datetime(2025, 1, day, tzinfo=UTC) for day in (10, 20)]
    before, after = (make_charge(due_amount="5", charge_period_start=day) for day in days)
    decided = make_charge(due_amount="5", charge_period_start=days[1], fund_step="decision")
    into = make_project("other", end_date=date(2025, 1, 15))

    merge(make_project(), into, reason="A typo in the tags")

    found = Charge.objects.in_bulk()
    assert [found[one.pk].review_status for one in (before, after, decided)] == ["clear", "held", "clear"]
    assert (list(found[after.pk].flags), found[after.pk].project) == (["expired"], into)


def test_or_borne_by_its_fallback_fund() -> None:
    charge = make_charge(due_amount="5", charge_period_start=datetime(2025, 1, 20, tzinfo=UTC))
    into = make_project("other", end_date=date(2025, 1, 15), fallback_fund=make_fund("DEPT"))

    merge(make_project(), into, reason="A typo in the tags")

    charge.refresh_from_db()
    assert (charge.review_status, charge.funding_account.code, charge.fund_step) == ("clear", "DEPT", "fallback")


@pytest.mark.parametrize("kind", ["reversal", "carried"])
def test_what_was_reversed_stands_still_beside_its_reversal(kind: str) -> None:
    day = datetime(2025, 1, 20, tzinfo=UTC)
    charge = make_charge(due_amount="5", charge_period_start=day)
    reversal = make_charge(
        period=make_period("2025-02"), kind="reversal", origin=charge, late_month="2025-01", due_amount="-5",
        charge_period_start=day, review_status="deferred" if kind == "carried" else "approved",
    )  # fmt: skip
    if kind == "carried":
        make_charge(
            period=make_period("2025-03"), kind="carried", origin=reversal, late_month="2025-01", due_amount="-5",
            charge_period_start=day, review_status="held", flags={"late": "It came late."},
        )  # fmt: skip
    into = make_project("other", end_date=date(2025, 1, 15), fallback_fund=make_fund("DEPT"))

    merge(make_project(), into, reason="A typo in the tags")
    merge(make_fund(), make_fund("GOOD", valid_until=date(2025, 1, 10)), reason="A typo in the tags")

    found = Charge.objects.order_by("pk").values_list("funding_account__code", "review_status")
    after = [("GOOD", "approved")] if kind == "reversal" else [("GOOD", "deferred"), ("GOOD", "held")]
    assert list(found) == [("GOOD", "clear"), *after]


@pytest.mark.parametrize("status", ["deferred", "excluded"])
def test_what_is_set_aside_is_judged_for_the_day_on_which_it_is_billed(status: str) -> None:
    charge = make_charge(due_amount="5", charge_period_start=datetime(2025, 1, 20, tzinfo=UTC), review_status=status)

    merge(make_project(), make_project("other", end_date=date(2025, 1, 15)), reason="A typo in the tags")

    charge.refresh_from_db()
    assert (charge.review_status, list(charge.flags)) == (status, ["expired"])
    undo(Charge.objects.all())
    charge.refresh_from_db()
    assert charge.review_status == "held"
