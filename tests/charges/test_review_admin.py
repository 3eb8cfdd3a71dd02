"""The review queue: what it shows, and decisions on one charge or on all that a filter finds."""

import pytest
from django.contrib.messages import get_messages
from django.db import connection

from charges import review
from charges.models import Charge
from periods.models import AuditEntry
from tests.make import (
    make_charge,
    make_finalized,
    make_fund,
    make_import,
    make_period,
    make_pi,
    make_project,
    make_source,
)

QUEUE = "/admin/charges/charge/"
REASON = "Confirmed by the PI on the phone"


@pytest.fixture
def desk(client, reviewer):
    client.force_login(reviewer)
    return client


def held(**kwargs):
    return make_charge(review_status="held", flags={"pattern": "The name matches gpu"}, **kwargs)


def listed(response):
    return {charge.pk for charge in response.context["cl"].queryset}


def act(desk, action, charges, *, query="", **answers):
    """Press Run on the list, then confirm on the page that it leads to."""
    chosen = {"action": action, "_selected_action": [charge.pk for charge in charges], **answers.pop("run", {})}
    asked = desk.post(QUEUE + query, chosen)
    hidden: dict = {}
    for name, value in asked.context["hidden"]:
        hidden.setdefault(name, []).append(value)
    return desk.post(QUEUE + query, {**hidden, **answers})


def statuses(*charges):
    return [Charge.objects.get(pk=charge.pk).review_status for charge in charges]


def test_queue_shows_held_charges_of_unfinalized_months(desk):
    waiting, _clear = held(), make_charge()
    make_finalized(held(period=make_period("2024-12")).period)
    superseded = held(source=make_source("aws"))
    later = make_import(make_period(), make_source("aws"))
    Charge.objects.filter(pk=superseded.pk).update(superseded_by=later)

    assert listed(desk.get(QUEUE)) == {waiting.pk}


def test_filters_narrow_the_queue(desk):
    mine = held(
        pi=make_pi("grace@example.edu"), project=make_project("cobol"), source=make_source("aws"), due_amount="20.50"
    )
    other = make_charge(period=make_period("2025-02"), review_status="held", flags={"missing_fund": "No fund"})

    assert listed(desk.get(QUEUE)) == {mine.pk, other.pk}
    for query in (
        f"period__id__exact={mine.period_id}",
        f"source__id__exact={mine.source_id}",
        f"pi__id__exact={mine.pi_id}",
        f"project__id__exact={mine.project_id}",
        "flag=pattern",
        "due_amount_from=20.5",
        "due_amount_from=1&due_amount_to=20.51",
        "q=grace",
    ):
        assert listed(desk.get(f"{QUEUE}?{query}")) == {mine.pk}, query


def test_status_filter_reaches_every_charge(desk):
    waiting, clear, excluded = held(), make_charge(), make_charge(review_status="excluded")

    assert listed(desk.get(f"{QUEUE}?review_status__exact=excluded")) == {excluded.pk}
    assert listed(desk.get(f"{QUEUE}?review_status__exact=all")) == {waiting.pk, clear.pk, excluded.pk}


def test_flags_are_words_with_their_reason(desk):
    held()

    page = desk.get(QUEUE).content.decode()

    assert '<span title="The name matches gpu"><b>Matches a pattern</b></span>' in page


def test_amounts_are_in_their_own_currency_until_a_rate_is_known(desk):
    charge = held(billing_currency="EUR", list_amount="18.30", due_amount="18.30")

    page = desk.get(f"{QUEUE}{charge.pk}/change/").content.decode()

    assert page.count("€18.30") > 0
    assert "$18.30" not in page


def test_less_than_a_coin_is_not_shown_as_zero(desk):
    held(list_amount="0.000012", due_amount="0")

    assert ">$0.000012<" in desk.get(QUEUE).content.decode()


def test_running_an_action_asks_before_it_decides(desk):
    charge = held()

    response = desk.post(QUEUE, {"action": "exclude", "_selected_action": [charge.pk]})

    assert response.context["title"] == "Exclude: 1 charge selected"
    assert statuses(charge) == ["held"]


def test_the_page_between_says_what_the_selection_comes_to(desk):
    charges = [held(list_amount="100", due_amount="1.5", resource_name=f"gpu-{number}") for number in range(11)]
    charges.append(held(billing_currency="EUR", list_amount="7", due_amount="3"))

    response = desk.post(QUEUE, {"action": "exclude", "_selected_action": [charge.pk for charge in charges]})

    assert response.context["summary"] == [
        ("List price", "€7.00, $1,100.00"),
        ("Amount due", "€3.00, $16.50"),
        ("Charges", "gpu-0, gpu-1, gpu-2, gpu-3, gpu-4, gpu-5, gpu-6, gpu-7, gpu-8, gpu-9 …"),
    ]
    assert "$1,100.00" in response.content.decode()


@pytest.mark.parametrize(
    ("action", "status"), [("approve", "approved"), ("exclude", "excluded"), ("defer", "deferred")]
)
def test_decisions_in_bulk_carry_their_reason_and_author(desk, reviewer, action, status):
    first, second, untouched = held(), held(), held()

    response = act(desk, action, [first, second], reason=REASON)

    assert statuses(first, second, untouched) == [status, status, "held"]
    entry = AuditEntry.objects.get(action=action)
    assert (entry.by, entry.rows, entry.reason) == (reviewer, 2, REASON)
    assert [str(message).split(" ")[0] for message in get_messages(response.wsgi_request)] == ["2"]


def test_undo_puts_charges_back_in_the_queue(desk):
    charge = make_charge(review_status="excluded", flags={"pattern": "It matches"})

    act(desk, "undo", [charge], query="?review_status__exact=excluded", reason="")

    assert statuses(charge) == ["held"]


def test_select_all_reaches_beyond_the_page(desk, monkeypatch):
    from django.contrib import admin  # noqa: PLC0415 - the registry is full only now

    monkeypatch.setattr(admin.site._registry[Charge], "list_per_page", 2)
    charges = [held() for _ in range(5)]
    other = held(period=make_period("2025-02"))

    act(
        desk, "approve", charges[:2], query=f"?period__id__exact={charges[0].period_id}", run={"select_across": "1"},
        reason="",
    )  # fmt: skip

    assert statuses(*charges, other) == ["approved"] * 5 + ["held"]


def test_a_selection_that_grew_since_it_was_shown_is_shown_again(desk):
    charge = held()
    asked = desk.post(QUEUE, {"action": "approve", "_selected_action": [charge.pk], "select_across": "1"})
    late = held()

    response = desk.post(QUEUE, {**dict(asked.context["hidden"]), "reason": ""})

    assert statuses(charge, late) == ["held", "held"]
    assert response.context["form"].non_field_errors() == [
        "The selection has changed meanwhile: it is now 2 charges. Look again."
    ]


def test_reattribution_names_pi_project_and_fund(desk):
    orphan = make_charge(
        pi=None, project=None, funding_account=None, fund_step="", review_status="held", due_amount="5",
        flags={"missing_pi": "No PI", "missing_project": "No project", "missing_fund": "No fund"},
    )  # fmt: skip
    pi, project, fund = make_pi("grace@example.edu"), make_project("cobol"), make_fund("ONR-1")

    act(desk, "reattribute", [orphan], pi=pi.pk, project=project.pk, funding_account=fund.pk, reason=REASON)

    orphan.refresh_from_db()
    assert (orphan.pi, orphan.project, orphan.funding_account) == (pi, project, fund)
    assert (orphan.review_status, orphan.flags) == ("clear", {})


def test_reattribution_without_a_payer_is_asked_again(desk):
    charge = held()

    response = act(desk, "reattribute", [charge], reason=REASON)

    assert response.context["form"].non_field_errors() == [
        "Name a PI, a project or a funding account; what is left empty stays as it is."
    ]


def test_what_the_stage_refuses_is_shown_and_nothing_is_decided(desk):
    good = held()
    orphan = make_charge(
        pi=None, project=None, funding_account=None, review_status="held", flags={"missing_pi": "No PI"}
    )

    response = act(desk, "approve", [good, orphan], reason="")

    assert response.context["form"].non_field_errors() == [
        (
            "1 of 2 charges lack a PI, project or fund. "
            f"The first: node-1 (charge {orphan.pk}) has no PI and no project; say who pays before they are approved."
        )
    ]
    assert statuses(good, orphan) == ["held", "held"]


def test_one_charge_is_decided_on_its_own_page(desk):
    charge = held()

    response = desk.post(f"{QUEUE}{charge.pk}/step/approve/", {"reason": ""})

    assert [str(message) for message in get_messages(response.wsgi_request)] == ["1 charge approved."]
    assert statuses(charge) == ["approved"]


def test_a_short_remark_is_enough_where_a_reason_is_optional(desk):
    charge = held()
    page = f"{QUEUE}{charge.pk}/step/approve/"

    assert desk.get(page).context["form"]["reason"].help_text == "Optional; kept in the audit trail."
    desk.post(page, {"reason": "ok"})

    assert statuses(charge) == ["approved"]


def test_a_charge_of_a_finalized_month_offers_nothing_but_why(desk):
    charge = held()
    make_finalized(charge.period)

    buttons = desk.get(f"{QUEUE}{charge.pk}/change/").context["buttons"]

    assert [button["step"]["label"] for button in buttons] == ["Why this charge?"]
    assert desk.post(f"{QUEUE}{charge.pk}/step/approve/", {"reason": ""}).status_code == 302
    assert statuses(charge) == ["held"]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads a small table whole, whatever its indexes")
def test_the_queue_is_found_through_its_own_index(db):
    """A million clear charges would be read otherwise."""
    queue = Charge.objects.filter(period__in=[1, 2]).held()

    assert "charge_review" in queue.order_by().explain()


def test_saying_who_pays_offers_the_rule_for_next_month(desk):
    charge = held(resource_id="gpu-7", sub_account_id="lab-3")
    pi = make_pi("grace@example.edu")

    response = desk.post(f"{QUEUE}{charge.pk}/step/reattribute/", {"pi": pi.pk, "reason": REASON})

    [message] = get_messages(response.wsgi_request)
    offer = str(message).partition('href="')[2].partition('"')[0].replace("&amp;", "&")
    form = desk.get(offer).context["adminform"].form
    names = ("source", "sub_account_id", "resource_prefix", "pi")
    assert [form[name].value() for name in names] == [str(charge.source_id), "lab-3", "gpu-7", str(pi.pk)]


def test_saying_who_pays_for_many_offers_a_rule_of_what_they_have_in_common(desk):
    common = {"sub_account_id": "lab-3", "service_name": "Storage"}
    charges = [held(resource_id=f"disk-{number}", **common) for number in range(3)]
    pi = make_pi("grace@example.edu")

    response = act(desk, "reattribute", charges, pi=pi.pk, reason=REASON)

    [message] = get_messages(response.wsgi_request)
    offer = str(message).partition('href="')[2].partition('"')[0].replace("&amp;", "&")
    form = desk.get(offer).context["adminform"].form
    names = ("source", "sub_account_id", "resource_prefix", "service_name", "pi")
    assert [form[name].value() for name in names] == [str(charges[0].source_id), "lab-3", None, "Storage", str(pi.pk)]


def test_nothing_in_common_is_no_rule(desk):
    charges = [held(resource_id=f"disk-{number}", service_name=f"Service {number}") for number in range(2)]

    response = act(desk, "reattribute", charges, pi=make_pi("grace@example.edu").pk, reason=REASON)

    assert [str(message) for message in get_messages(response.wsgi_request)] == ["2 charges given to another payer."]


def test_whoever_decides_on_what_another_has_decided_meanwhile_is_told(desk, billing_admin):
    """A page that was opened before shows what is no more."""
    charge = held()
    page = f"{QUEUE}{charge.pk}/step/exclude/"
    opened = dict(desk.get(page).context["hidden"])
    review.approve(Charge.objects.all(), by=billing_admin)

    response = desk.post(page, {**opened, "reason": REASON})

    assert response.context["form"].non_field_errors() == [
        f"admin decided on node-1 (charge {charge.pk}) while you looked at it. Nothing of yours was saved: look again."
    ]
    assert statuses(charge) == ["approved"]
    assert desk.post(page, {**dict(response.context["hidden"]), "reason": REASON}).status_code == 302
    assert statuses(charge) == ["excluded"]


def test_a_shared_cost_can_be_given_to_somebody_excluded_or_deferred_on_its_page(desk):
    source = make_source("aws", shared_costs="pro_rata")
    nobody = {"pi": None, "project": None, "funding_account": None, "fund_step": ""}
    charge = make_charge(source=source, charge_category="Tax", review_status="shared", due_amount="10", **nobody)

    *buttons, _why = desk.get(f"{QUEUE}{charge.pk}/change/").context["buttons"]

    assert [button["step"].label for button in buttons] == ["Say who pays", "Exclude", "Defer"]
