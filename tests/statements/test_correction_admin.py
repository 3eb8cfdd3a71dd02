"""The way through the admin to a correction: asked, looked at, loaded; and who may go it."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client

from charges.models import Charge, Correction
from tests.make import make_charge, make_finalized, make_fund, make_period, make_project, make_statement

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_february")]
EXPLANATION = "The nodes were tagged with the project of the group next door."
JUSTIFICATION = "The tags were audited only in June, when the award was closed out."


@pytest.fixture
def in_february():
    with time_machine.travel("2025-02-20T12:00Z", tick=False):
        yield


@pytest.fixture
def boss(client: Client, billing_admin: User) -> Client:
    billing_admin.first_name, billing_admin.last_name = "Ada", "Lovelace"
    billing_admin.save()
    client.force_login(billing_admin)
    return client


def finalized(*names: str) -> list[Charge]:
    """January's, on one statement; February is open."""
    start, end = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)
    dates = {"charge_period_start": start, "charge_period_end": end}
    charges = [make_charge(due_amount="10", resource_name=name, **dates) for name in names or ("node-1",)]
    make_statement(number=7, due_amount="10")
    make_finalized(make_period())
    make_period("2025-02")
    return charges


def page(*charges: Charge) -> str:
    return f"/admin/charges/correction/add/?charges={','.join(str(charge.pk) for charge in charges)}"


def answers(**given) -> dict:
    known = {
        "cause": "payer", "explanation": EXPLANATION, "certifier": "Ada Lovelace", "outcome": "bill", "month": "2025-02",
    }  # fmt: skip
    return {**known, **given}


def shown(response) -> str:
    return response.context["preview"].digest


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_form_names_the_signed_in_user_and_the_earliest_open_month(boss):
    (charge,) = finalized()
    make_period("2025-03")

    form = boss.get(page(charge)).context["form"]

    assert form["certifier"].value() == "Ada Lovelace"
    assert form.fields["month"].choices == [("2025-02", "February 2025"), ("2025-03", "March 2025")]
    assert "justification" not in form.fields


def test_an_old_charge_asks_for_the_justification_of_sponsors(boss, billing_admin):
    (charge,) = finalized()

    with time_machine.travel("2025-06-01T12:00Z", tick=False):
        boss.force_login(billing_admin)
        assert "justification" in boss.get(page(charge)).context["form"].fields
        told = boss.post(page(charge), answers()).context["form"].errors
        accepted = boss.post(page(charge), answers(justification=JUSTIFICATION, due_amount="4"))

    assert told == {"justification": ["This field is required."]}
    assert ("Why only now", JUSTIFICATION) in accepted.context["preview"].facts


def test_a_preview_shows_reversal_rebill_fund_and_statement_and_loads_nothing(boss):
    (charge,) = finalized()
    project, fund = make_project("other"), make_fund("NSF-2")

    response = boss.post(page(charge), answers(project=project.pk, funding_account=fund.pk, due_amount="4"))

    (pair,) = response.context["preview"].pairs
    assert response.context["title"] == "What would be loaded into February 2025"
    assert pair.title == "node-1, January 2025, statement S-000007"
    assert text_of(pair.rows) == (
        "Into February 2025 List price Amount due "
        "Reversal ada, engine, NSF-1 -$100.00 -$10.00 Rebill ada, other, NSF-2 $100.00 $4.00"
    )
    assert (Correction.objects.count(), Charge.objects.count()) == (0, 1)


def test_what_was_looked_at_is_loaded(boss, billing_admin):
    (charge,) = finalized()
    given = answers(due_amount="4")
    digest = shown(boss.post(page(charge), given))

    response = boss.post(page(charge), {**given, "load": "", "shown": digest}, follow=True)

    found = Correction.objects.get()
    assert (found.original, found.created_by, found.rebill.due_amount) == (charge, billing_admin, Decimal(4))
    assert response.redirect_chain == [(f"/admin/charges/correction/{found.pk}/change/", 302)]
    assert [str(message) for message in response.context["messages"]] == [
        "1 charge is corrected: reversed and rebilled in February 2025."
    ]


@pytest.mark.parametrize("given", [{}, {"shown": "other"}])
def test_nothing_is_loaded_that_was_not_looked_at(boss, given):
    (charge,) = finalized()

    response = boss.post(page(charge), {**answers(due_amount="4"), "load": "", **given})

    assert response.context["form"].non_field_errors() == [
        "What would be loaded has changed meanwhile. Look at it again."
    ]
    assert Correction.objects.count() == 0


def test_one_may_go_back_and_change_the_answers(boss):
    (charge,) = finalized()

    response = boss.post(page(charge), {**answers(due_amount="4"), "edit": ""})

    assert "preview" not in response.context
    assert response.context["form"]["due_amount"].value() == "4"


def test_a_refusal_stands_above_the_form_as_it_was_filled_in(boss):
    (charge,) = finalized()

    form = boss.post(page(charge), answers()).context["form"]

    assert form.non_field_errors() == [f"Nothing would change for {charge}: say what is right."]
    assert form["explanation"].value() == EXPLANATION


def test_warnings_are_seen_before_anything_is_loaded(boss):
    (charge,) = finalized()
    fund = make_fund("NIH-7", valid_until="2025-03-31")

    response = boss.post(page(charge), answers(funding_account=fund.pk))

    (pair,) = response.context["preview"].pairs
    assert [blocker.sentence for blocker in pair.warnings] == [
        "NIH-7 ends on 2025-03-31: auditors question cost that is moved to a fund so close to its end."
    ]


def test_nobody_pays_where_that_is_right(boss):
    (charge,) = finalized()
    given = answers(cause="usage", outcome="nobody")
    response = boss.post(page(charge), given)

    (pair,) = response.context["preview"].pairs
    assert text_of(pair.rows).endswith("Rebill Nobody pays — —")
    boss.post(page(charge), {**given, "load": "", "shown": shown(response)})
    assert Correction.objects.get().rebill.review_status == "excluded"


def test_several_charges_are_chosen_from_the_list(boss):
    charges = finalized("node-1", "node-2")
    picked = {"action": "correct_selected", "_selected_action": [charge.pk for charge in charges]}
    listed = f"/admin/charges/charge/?period__id__exact={charges[0].period_id}&review_status__exact=all"

    response = boss.post(listed, picked)

    assert response["Location"] == page(*charges)
    form = boss.get(page(*charges)).context["form"]
    assert {"list_amount", "due_amount"}.isdisjoint(form.fields)
    given = answers(outcome="nobody")
    digest = shown(boss.post(page(*charges), given))
    done = boss.post(page(*charges), {**given, "load": "", "shown": digest})
    assert done["Location"] == "/admin/charges/correction/"
    assert Correction.objects.count() == 2


@pytest.mark.parametrize("count", [1, 3])
def test_a_preview_asks_as_often_for_three_charges_as_for_one(boss, count, django_assert_num_queries):
    charges = finalized(*(f"node-{number}" for number in range(count)))
    project = make_project("other", default_fund=make_fund("NSF-2"))
    given = answers(project=project.pk)
    boss.post(page(*charges), given)

    with django_assert_num_queries(20):
        assert boss.post(page(*charges), given).status_code == 200


@pytest.mark.parametrize("asked", ["", "?charges=", "?charges=abc", "?charges=999999"])
def test_an_address_without_charges_says_so(boss, asked):
    response = boss.get(f"/admin/charges/correction/add/{asked}")

    assert response.status_code == 200
    assert "form" not in response.context


def test_a_charge_offers_its_correction_once(boss):
    (charge,) = finalized()
    before = buttons(boss, charge)
    given = answers(due_amount="4")
    digest = shown(boss.post(page(charge), given))
    boss.post(page(charge), {**given, "load": "", "shown": digest})

    assert (before, buttons(boss, charge)) == (["Correct", "Why this charge?"], ["Why this charge?"])
    assert "is reversed already" in boss.get(page(charge)).context["refusal"]


def buttons(client: Client, charge: Charge) -> list:
    page = client.get(f"/admin/charges/charge/{charge.pk}/change/")
    return [button["step"]["label"] for button in page.context["buttons"]]


@pytest.mark.parametrize("role", ["reviewer", "finance", "auditor"])
def test_others_see_corrections_and_make_none(client, request, role):
    (charge,) = finalized()
    client.force_login(request.getfixturevalue(role))

    assert client.get("/admin/charges/correction/").status_code == 200
    assert [client.get(page(charge)).status_code, client.post(page(charge), answers()).status_code] == [403, 403]
    assert buttons(client, charge) == ["Why this charge?"]
    picked = {"action": "correct_selected", "_selected_action": [charge.pk]}
    listed = f"/admin/charges/charge/?period__id__exact={charge.period_id}&review_status__exact=all"
    assert page(charge) not in client.post(listed, picked).get("Location", "")
