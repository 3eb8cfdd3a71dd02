"""A credit campaign in the admin: asked, previewed, confirmed as previewed; approved by somebody else."""

from decimal import Decimal

import pytest

from charges.adjusting.crediting import make_campaign
from charges.models import Adjustment, CreditCampaign
from periods.models import AuditEntry
from tests.make import make_charge, make_finalized, make_period, make_project

ADD = "/admin/charges/creditcampaign/add/"
REASON = "The cluster was down for two days"


@pytest.fixture
def desk(client, reviewer):
    client.force_login(reviewer)
    return client


def terms(**changes):
    asked = {
        "period": make_period().pk, "code": "outage-1", "description": "Outage", "reason": REASON, "method": "percent",
        "percent": "10", "amount": "", "cap": "", "source": "", "service_name": "", "first_day": "", "last_day": "",
        "pi": "", "project": "",
    }  # fmt: skip
    return asked | changes


def made(**changes):
    return make_campaign(
        CreditCampaign(period=make_period(), code="X", description="Outage", reason=REASON, percent=10, **changes)
    )


def test_the_preview_shows_what_each_project_gets_and_makes_nothing(desk):
    make_charge(due_amount="100")
    make_charge(due_amount="1000", project=make_project("large"))

    page = desk.post(ADD, terms(cap="50"))

    assert page.context["preview"]["total"] == "$60.00"
    assert (page.context["preview"]["capped"], page.context["effect"].charges) == (1, 2)
    rows = page.context["preview"]["by_project"].split("<tr>")[2:]
    cells = [[cell.split("<")[0] for cell in row.split('">')[1:]] for row in rows]
    assert cells == [
        ["large", "1", "$1,000.00", "-$50.00", "$950.00", "by the cap"],
        ["engine", "1", "$100.00", "-$10.00", "$90.00", "—"],
    ]
    assert (CreditCampaign.objects.count(), AuditEntry.objects.count()) == (0, 0)


def test_what_was_previewed_is_made_once_confirmed(desk, reviewer):
    make_charge(due_amount="100")
    seen = desk.post(ADD, terms()).context["effect"].mark

    done = desk.post(ADD, terms(seen=seen, confirm="yes"))

    campaign = CreditCampaign.objects.get()
    assert done["Location"] == f"/admin/charges/creditcampaign/{campaign.pk}/change/"
    assert (campaign.code, campaign.due_amount, campaign.created_by) == ("OUTAGE-1", Decimal(-10), reviewer)
    assert Adjustment.objects.get().campaign == campaign


@pytest.mark.parametrize("answers", [{"confirm": "yes"}, {"confirm": "yes", "seen": ""}, {"seen": "x"}])
def test_nothing_is_made_without_the_preview_and_the_confirmation(desk, answers):
    make_charge(due_amount="100")

    assert desk.post(ADD, terms(**answers)).status_code == 200

    assert CreditCampaign.objects.count() == 0


def test_a_preview_that_is_no_longer_true_is_shown_anew(desk):
    make_charge(due_amount="100")
    seen = desk.post(ADD, terms()).context["effect"].mark
    make_charge(due_amount="100")

    page = desk.post(ADD, terms(seen=seen, confirm="yes"))

    assert page.context["form"].non_field_errors() == ["The charges have changed since the preview: look at it again."]
    assert CreditCampaign.objects.count() == 0


def test_wrong_terms_are_told_at_their_field(desk):
    make_charge(due_amount="100")

    page = desk.post(ADD, terms(percent="101", cap="0", code="a b"))

    assert sorted(page.context["form"].errors) == ["cap", "code", "percent"]


def test_a_missing_month_is_told_at_its_field(desk):
    make_charge(due_amount="100")

    page = desk.post(ADD, terms(period="", cap="5"))

    assert sorted(page.context["form"].errors) == ["period"]


def test_finalized_months_are_not_offered(desk):
    sealed = make_finalized(make_period("2024-12"))

    assert list(desk.post(ADD, terms(period=sealed.pk)).context["form"].errors) == ["period"]


def test_the_author_sees_no_button_to_approve_and_the_second_person_does(client, settings, billing_admin, finance):
    settings.ADJUSTMENT_APPROVAL_ABOVE = Decimal(5)
    make_charge(due_amount="100")
    seen = {}
    campaign = made()
    CreditCampaign.objects.update(created_by=billing_admin)
    page = f"/admin/charges/creditcampaign/{campaign.pk}/"
    for user in (billing_admin, finance):
        client.force_login(user)
        seen[user.username] = [button["step"].label for button in client.get(f"{page}change/").context["buttons"]]

    assert seen == {"admin": ["Withdraw"], "finance": ["Approve", "Refuse"]}
    client.force_login(billing_admin)
    assert client.post(f"{page}step/approve/").status_code == 403
    client.force_login(finance)
    assert client.post(f"{page}step/approve/").status_code == 302
    campaign.refresh_from_db()
    assert (campaign.approved_by, campaign.standing) == (finance, "In force")


def test_credits_of_a_campaign_are_listed_and_approved_only_together(client, settings, finance):
    settings.ADJUSTMENT_APPROVAL_ABOVE = Decimal(5)
    make_charge(due_amount="100")
    campaign = made()
    other = make_charge(due_amount="100", project=make_project("other"))
    credit = Adjustment.objects.exclude(charge=other).get()
    client.force_login(finance)

    rows = client.get(f"/admin/charges/adjustment/?campaign__id__exact={campaign.pk}&standing=pending").context["cl"]

    assert list(rows.queryset) == [credit]
    assert client.get(f"/admin/charges/adjustment/{credit.pk}/change/").context["buttons"] == []


@pytest.mark.parametrize("standing", ["in_force", "pending", "withdrawn"])
def test_a_list_is_filtered_by_what_counts(client, superuser, settings, standing):
    settings.ADJUSTMENT_APPROVAL_ABOVE = Decimal(5)
    make_charge(due_amount="100")
    made()
    client.force_login(superuser)

    for model in ("adjustment", "creditcampaign"):
        rows = client.get(f"/admin/charges/{model}/?standing={standing}").context["cl"].queryset
        assert [row.standing for row in rows] == ["Awaits approval"] * (standing == "pending")
