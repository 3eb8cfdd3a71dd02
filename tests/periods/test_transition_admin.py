"""The confirm page: it shows what stands in the way, asks, and calls the stage function on POST only."""

import pytest
from django.contrib import admin
from django.contrib.messages import get_messages

from periods.models import AuditEntry, BillingPeriod
from periods.states import Document
from periods.transition_admin import TransitionAdmin
from statements.admin.dispute import DisputeAdmin
from statements.admin.journal import JournalAdmin
from statements.admin.period import BillingPeriodAdmin
from tests.make import make_charge, make_closed, make_period, make_source


@pytest.fixture
def root(client, superuser):
    client.force_login(superuser)
    return client


def page(period, name):
    return f"/admin/periods/billingperiod/{period.pk}/step/{name}/"


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_asking_changes_nothing(root):
    period = make_period()

    response = root.get(page(period, "close"))

    period.refresh_from_db()
    assert (response.status_code, period.state, AuditEntry.objects.count()) == (200, "open", 0)


def test_confirming_runs_the_stage_and_says_what_was_done(root, superuser):
    period = make_period()

    response = root.post(page(period, "close"))

    period.refresh_from_db()
    assert (period.state, period.closed_by) == ("closed", superuser)
    assert response["Location"] == f"/admin/periods/billingperiod/{period.pk}/change/"
    assert said(response) == ["January 2025 is closed: no more imports. Issue its statements next."]


def test_a_warning_is_listed_with_its_link_and_stops_nothing(root):
    period = make_charge(review_status="held", flags={"pattern": "It matches"}).period

    response = root.get(page(period, "close"))

    [blocker] = response.context["blockers"]
    assert (blocker.is_warning, response.context["is_blocked"]) == (True, False)
    assert root.get(blocker.link).context["cl"].result_count == 1


def test_a_blocker_takes_the_button_away_and_is_enforced_on_post(root):
    period = make_period()
    make_source("slurm", is_expected_monthly=True)

    response = root.get(page(period, "close"))

    assert response.context["is_blocked"]
    [error] = root.post(page(period, "close")).context["form"].non_field_errors()
    assert error == (
        "January 2025 cannot be closed yet:\n- slurm is expected every month and has delivered nothing: "
        "import its files, or waive it for this month."
    )
    period.refresh_from_db()
    assert period.state == "open"


def test_a_reason_is_asked_for_and_recorded(root):
    period = make_closed(make_period())

    refused = root.post(page(period, "reopen"), {"reason": "because"})
    root.post(page(period, "reopen"), {"reason": "A late file of the cluster came"})

    period.refresh_from_db()
    assert list(refused.context["form"].errors) == ["reason"]
    assert (period.state, AuditEntry.objects.get(action="reopen").reason) == ("open", "A late file of the cluster came")


def test_a_step_of_another_state_is_declined_in_a_sentence(root):
    period = make_period()

    response = root.post(page(period, "issue"))

    assert response.status_code == 302
    assert said(response) == ["“Issue statements” is not possible for January 2025 now."]


def test_unknown_steps_and_documents_are_not_found(root):
    period = make_period()

    assert root.get(page(period, "explode")).status_code == 404
    assert root.get("/admin/periods/billingperiod/999/step/close/").status_code == 404


def test_what_a_stage_refuses_stands_on_the_form(root):
    period = make_closed(make_period())

    response = root.post(page(period, "acknowledge"), {"reference": "GL-77"})

    assert response.status_code == 302  # nothing to post is no refusal
    assert said(response) == ["No journal is needed: nothing to post."]


@pytest.mark.parametrize("model_admin", [BillingPeriodAdmin, JournalAdmin, DisputeAdmin])
def test_buttons_agree_with_the_transitions_they_run(model_admin: type[TransitionAdmin]):
    """States and permissions stand on the model; a button that says otherwise would be a lie."""
    model = next(m for m, registered in admin.site._registry.items() if isinstance(registered, model_admin))
    assert issubclass(model, Document)

    for name, step in model_admin.steps.items():
        method = getattr(model, name, None)
        if method is not None:
            transitions = method._django_fsm.transitions
            assert set(step.states) == set(transitions), name
            asked = {transition.permission for transition in transitions.values()}
            assert asked in ({step.permission}, {None}), name  # None: the stage asks before the last condition is met


def test_month_page_offers_the_steps_of_its_state(root):
    offered = {
        period.state: [button["step"].label for button in root.get(url).context["buttons"]]
        for period in (make_period("2025-01"), make_closed(make_period("2025-02")))
        for url in [f"/admin/periods/billingperiod/{period.pk}/change/"]
    }

    assert offered == {
        BillingPeriod.State.OPEN: ["Close the month"],
        BillingPeriod.State.CLOSED: [
            "Issue statements",
            "Render PDFs",
            "E-mail statements",
            "Export journal",
            "Acknowledge journal",
            "Finalize the month",
            "Reopen the month",
        ],
    }
