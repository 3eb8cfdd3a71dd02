"""Charges that are loaded are judged again when somebody asks: as if they came now, and never what is decided or closed."""

from datetime import date
from typing import Any

import pytest

from charges.importing import import_files
from charges.merging import merge
from charges.models import AllowedFund, Charge, ReviewRule, ReviewSettings, Source
from charges.rechecking import Rechecked, recheck, would_change
from charges.review import approve, exclude, reattribute, undo
from periods.errors import NotPermitted, Refused
from periods.models import AuditEntry
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_charge, make_closed, make_finalized, make_fund, make_source

pytestmark = pytest.mark.django_db
FORMAT = {"kind": "fund_format", "pattern": "^NSF-"}
NOTHING = Rechecked(held=0, cleared=0, reworded=0)
PAGE = "/admin/charges/reviewsettings/1/step/recheck/"


def test_where_nothing_is_there_nothing_changes():
    assert (would_change(), recheck()) == (NOTHING, NOTHING)
    assert not AuditEntry.objects.exists()


def test_a_new_rule_holds_and_its_end_clears(billing_admin):
    good, bad = make_charge(), make_charge(funding_account=make_fund("GIFT"))
    rule = ReviewRule.objects.create(**FORMAT)
    assert would_change() == Rechecked(held=1, cleared=0, reworded=0)
    bad.refresh_from_db()
    assert bad.review_status == "clear"

    assert recheck(by=billing_admin) == Rechecked(held=1, cleared=0, reworded=0)

    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.review_status, good.flags) == ("clear", {})
    assert (bad.review_status, bad.flags) == ("held", {"fund_format": "GIFT is not in the configured format."})
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.by, entry.rows, entry.period) == ("recheck", billing_admin, 1, bad.period)
    assert (entry.before, entry.after) == ({"clear": [bad.pk]}, {"held": [bad.pk]})
    assert recheck() == NOTHING

    rule.is_active = False
    rule.save()
    assert recheck() == Rechecked(held=0, cleared=1, reworded=0)
    bad.refresh_from_db()
    assert (bad.review_status, bad.flags) == ("clear", {})


def test_a_charge_that_another_flag_holds_stays_held():
    charge = make_charge(
        pi=None, review_status="held", flags={"missing_pi": "No tag or rule names a PI.", "fund_format": "It was odd."}
    )

    assert recheck() == Rechecked(held=0, cleared=0, reworded=1)

    charge.refresh_from_db()
    assert (charge.review_status, charge.flags) == ("held", {"missing_pi": "No tag or rule names a PI."})


@pytest.mark.parametrize("close", [make_closed, make_finalized])
def test_closed_months_stay_as_they_are(close):
    charge = make_charge(funding_account=make_fund("GIFT"))
    close(charge.period)
    ReviewRule.objects.create(**FORMAT)

    assert (would_change(), recheck()) == (NOTHING, NOTHING)


def test_decisions_stay_and_what_was_undone_is_undecided(billing_admin):
    charges = [
        make_charge(funding_account=make_fund("GIFT"), review_status="held", flags={"pattern": "x"}) for _ in "abc"
    ]
    approve(Charge.objects.filter(pk=charges[0].pk))
    exclude(Charge.objects.filter(pk=charges[1].pk), reason="It is not ours.")
    approve(Charge.objects.filter(pk=charges[2].pk))
    undo(Charge.objects.filter(pk=charges[2].pk))
    ReviewRule.objects.create(**FORMAT)

    recheck()

    found = Charge.objects.order_by("pk").values_list("review_status", "flags")
    assert list(found) == [
        ("approved", {"pattern": "x"}),
        ("excluded", {"pattern": "x"}),
        ("held", {"fund_format": "GIFT is not in the configured format."}),
    ]


def test_a_fund_that_a_reviewer_named_is_no_question_any_more():
    charge = make_charge()
    reattribute(Charge.objects.all(), funding_account=make_fund("GIFT"), reason="The lab has a gift.")
    ReviewRule.objects.create(**FORMAT)

    assert recheck() == NOTHING
    assert Charge.objects.get(pk=charge.pk).fund_step == "decision"


def test_reversals_and_carried_ages_stay():
    make_charge(kind="reversal", funding_account=make_fund("GIFT"), review_status="held", flags={"late": "Late."})
    make_charge(kind="carried", review_status="held", flags={"aging": "Deferred again in January 2025."})
    ReviewRule.objects.create(**FORMAT)

    assert recheck() == NOTHING


def test_a_shared_cost_is_shared_again():
    tax = make_charge(
        pi=None, project=None, funding_account=None, fund_step="", due_amount=5, charge_category="Tax",
        source=make_source(shared_costs=Source.SharedCosts.PRO_RATA), review_status="shared",
    )  # fmt: skip
    rule = ReviewRule.objects.create(kind="pattern", pattern="hpc")
    assert recheck() == Rechecked(held=1, cleared=0, reworded=0)

    ReviewRule.objects.filter(pk=rule.pk).update(is_active=False)

    assert recheck() == Rechecked(held=0, cleared=1, reworded=0)
    tax.refresh_from_db()
    assert (tax.review_status, tax.flags) == ("shared", {})


def test_what_changed_since_it_was_shown_is_refused():
    make_charge(funding_account=make_fund("GIFT"))
    ReviewRule.objects.create(**FORMAT)
    shown = str(would_change())
    make_charge(funding_account=make_fund("GIFT"))

    with pytest.raises(Refused, match="What would change is something else by now"):
        recheck(seen=shown)

    assert not Charge.objects.filter(review_status="held").exists()


ROWS = [
    focus_row(),
    focus_row(tags={"fund_org": "GIFT"}),
    focus_row(tags={"fund_org": ""}),
    focus_row(tags={"pi_email": ""}, ResourceName="Crypto miner"),
    focus_row(EffectiveCost="0", tags={"fund_org": "GIFT"}),
    focus_row(ChargePeriodStart="2024-06-01", ChargePeriodEnd="2024-06-02"),
    focus_row(ChargeCategory="Tax", tags={"pi_email": "", "project_id": "", "fund_org": ""}),
    focus_row(BillingCurrency="EUR", ServiceName="Crypto"),
    focus_row(ServiceName="Storage", EffectiveCost="900"),
]


def deliver(tmp_path: Any, source: str, month: str, *rows: dict[str, Any]) -> None:
    told = {"BillingPeriodStart": f"{month}-01", "SubAccountName": source}
    path = write_focus(tmp_path / f"{month}.csv", *({**row, **told} for row in rows))
    import_files([path], source_name=source)


def deliver_months_before(tmp_path: Any, source: str) -> None:
    for month in ("2024-10", "2024-11", "2024-12"):
        deliver(tmp_path, source, month, focus_row(ServiceName="Storage", EffectiveCost="10"))


def set_rules() -> None:
    ReviewRule.objects.create(**FORMAT)
    ReviewRule.objects.create(kind="pattern", pattern="crypto")
    ReviewSettings(has_allow_list=True, aging_days=30).save()
    AllowedFund.objects.create(code="NSF-1", valid_from=date(2025, 1, 1))


def said(source: str) -> list[tuple[str, dict[str, str]]]:
    charges = Charge.objects.filter(source__name=source).order_by("period__month", "line_number")
    return list(charges.values_list("review_status", "flags"))


@pytest.mark.parametrize("shared", [Source.SharedCosts.HOLD, Source.SharedCosts.PRO_RATA])
def test_charges_are_judged_as_if_they_came_now(tmp_path, shared):
    """Rules after a delivery, and checked again, say what they would have said before it."""
    for source in ("before", "after"):
        make_source(source, shared_costs=shared)
        deliver_months_before(tmp_path, source)
    ReviewSettings(unusual_times=None, aging_days=None).save()
    deliver(tmp_path, "before", "2025-01", *ROWS)
    set_rules()

    recheck()

    deliver(tmp_path, "after", "2025-01", *ROWS)
    assert said("before")[3:] == said("after")[3:]
    found = {flag for _, flags in said("before") for flag in flags}
    assert found >= {"fund_format", "fund_unlisted", "pattern", "aging", "unusual_change"}


def test_a_merged_fund_is_judged_by_its_name_of_today():
    charge = make_charge(funding_account=make_fund("GIFT"))
    merge(make_fund("GIFT"), make_fund("NSF-1"), reason="The same account under two names")
    ReviewRule.objects.create(**FORMAT)

    assert recheck() == NOTHING
    charge.refresh_from_db()
    assert charge.funding_account.code == "NSF-1"


def test_twenty_thousand_charges_take_few_queries(django_assert_max_num_queries):
    first = make_charge()
    fields = {
        field.attname: getattr(first, field.attname) for field in Charge._meta.concrete_fields if field.attname != "id"
    }
    fields["funding_account_id"] = make_fund("GIFT").pk
    Charge.objects.bulk_create((Charge(**fields) for _ in range(20_000)), batch_size=500)
    ReviewRule.objects.create(**FORMAT)

    with django_assert_max_num_queries(40):
        assert recheck() == Rechecked(held=20_000, cleared=0, reworded=0)


@pytest.mark.parametrize("role", ["reviewer", "finance", "auditor"])
def test_only_who_sets_the_rules_may(role, client, request):
    user = request.getfixturevalue(role)
    with pytest.raises(NotPermitted):
        recheck(by=user)
    client.force_login(user)
    assert client.get(PAGE).status_code == 403


def test_the_page_says_first_what_would_change(client, billing_admin):
    client.force_login(billing_admin)
    make_charge(funding_account=make_fund("GIFT"))
    make_charge(review_status="held", flags={"pattern": "A name matches “x”."})
    ReviewRule.objects.create(**FORMAT)

    page = client.get(PAGE)
    assert page.context["summary"] == [("What would change", "1 charge newly held, 1 charge cleared.")]
    done = client.post(PAGE, dict(page.context["hidden"]), follow=True)

    assert [str(message) for message in done.context["messages"]] == [
        "Checked again: 1 charge newly held, 1 charge cleared."
    ]
    assert client.get(PAGE).context["summary"] == [("What would change", "No charge changes.")]


def test_after_a_rule_is_saved_its_page_leads_there(client, billing_admin):
    client.force_login(billing_admin)

    saved = client.post("/admin/charges/reviewrule/add/", {**FORMAT, "source": "", "is_active": "on"}, follow=True)

    link = f'<a href="{PAGE}" class="ocb-link">Check the open months again</a>'
    offered = [str(message) for message in saved.context["messages"] if PAGE in str(message)]
    assert offered == [f"Charges that are loaded keep their flags until you ask. {link}"]
