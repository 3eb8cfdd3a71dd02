"""The start page: the month at hand and what to do next, from the first day to the seal."""

import pytest

from charges.models import Charge, ExchangeRate, FocusImport, ImportIssue
from charges.review import approve
from tests.admin_rows import make_row
from tests.make import (
    make_charge,
    make_closed,
    make_finalized,
    make_import,
    make_line,
    make_period,
    make_pi,
    make_source,
    make_statement,
)
from tests.statements.sealed import make_ready


@pytest.fixture
def desk(client, billing_admin):
    client.force_login(billing_admin)
    return client


def start(client, query=""):
    return client.get(f"/admin/{query}").context


def test_an_empty_installation_is_told_the_first_step(desk):
    context = start(desk)

    assert (context["overview"], context["months"], context["import_url"]) == (
        None,
        [],
        "/admin/charges/focusimport/files/",
    )


def test_a_person_without_a_role_is_shown_no_figures(client, db, django_user_model):
    make_charge()
    client.force_login(django_user_model.objects.create_user("new", is_staff=True))

    context = start(client)

    assert (context["months"], context["overview"]) == ([], None)


def test_the_oldest_unfinalized_month_is_shown_first(desk):
    make_finalized(make_charge(period=make_period("2025-01")).period)
    make_closed(make_period("2025-02"))
    make_period("2025-03")

    assert start(desk)["overview"]["period"].month == "2025-02"
    assert start(desk, "?month=2025-01")["overview"]["period"].month == "2025-01"
    assert start(desk, "?month=nonsense")["overview"]["period"].month == "2025-02"


def test_three_figures_and_what_is_held(desk):
    make_charge(list_amount="2400", due_amount="0")
    make_charge(list_amount="130", due_amount="12.504")
    make_charge(due_amount="16.928", review_status="held", flags={"pattern": "It matches"})

    overview = start(desk)["overview"]

    assert overview["figures"] == {"list": "$2,530.00", "discount": "-$2,517.50", "due": "$12.50"}
    assert (overview["held"]["charges"], overview["held"]["due"]) == (1, "$16.93")
    assert overview["next"]["sentence"] == "1 charge is held for review. Decide on each, then close the month."
    assert desk.get(overview["next"]["url"]).context["cl"].result_count == 1


def test_foreign_charges_count_once_their_rate_is_known(desk):
    rate = ExchangeRate.objects.create(
        source=make_source(), period=make_period(), currency="EUR", rate="1.1", rate_date="2025-01-31"
    )
    for known in ({"exchange_rate": rate}, {}):
        make_charge(due_amount="11", billing_currency="EUR", review_status="held", **known)
        make_charge(list_amount="100", due_amount="22", billing_currency="EUR", **known)

    overview = start(desk)["overview"]

    held = overview["held"]
    assert (held["charges"], held["due"], held["unconverted"]) == (2, "$11.00", 1)
    assert [(row["charges"], row["list"], row["due"]) for row in overview["sources"]] == [(4, "$200.00", "$33.00")]


def test_mailing_says_what_waits_and_why(desk):
    period = make_ready(pi=make_pi("nobody"))

    messages = desk.post(f"/admin/periods/billingperiod/{period.pk}/step/email/", follow=True).context["messages"]

    assert [str(message) for message in messages] == [
        "Messages: 0 sent, 1 waiting. nobody (queued): 'nobody' is no e-mail address."
    ]


def test_sources_that_are_expected_and_missing_come_first(desk):
    make_charge(source=make_source("aws"))
    make_source("slurm", is_expected_monthly=True)

    assert [(str(row["source"]), row["charges"]) for row in start(desk)["overview"]["sources"]] == [
        ("slurm", 0),
        ("aws", 1),
    ]


def test_discounts_that_nobody_is_named_for_are_pointed_out(desk):
    make_charge(source=make_source("anonymous"))
    make_charge(source=make_source("named", funder="Provost"))
    make_charge(source=make_source("tagged"), funder="Office of Research")
    make_charge(source=make_source("contract"), due_amount="80", contracted_amount="80", contracted_cost="80")

    assert [source.name for source in start(desk)["overview"]["unfunded"]] == ["anonymous"]


def test_what_to_do_next_follows_the_month(desk, billing_admin, home):
    charge = make_charge(due_amount="40")
    period = charge.period

    def action():
        return start(desk)["overview"]["next"]["label"]

    def press(step, **answers):
        desk.post(f"/admin/periods/billingperiod/{period.pk}/step/{step}/", answers)

    assert action() == "Close the month"
    press("close")
    assert action() == "Issue statements"
    press("issue")
    assert action() == "Render PDFs"
    press("render")
    assert action() == "E-mail statements"
    press("email")
    assert action() == "Export journal"
    press("export", template="generic")
    assert action() == "Acknowledge journal"
    press("acknowledge", reference="GL-77")
    assert action() == "Finalize the month"
    press("finalize")

    overview = start(desk)["overview"]
    assert overview["next"]["sentence"] == "January 2025 is finalized under seal 1 of January 2025."
    assert overview["figures"] == {"list": "$100.00", "discount": "-$60.00", "due": "$40.00"}


def test_a_month_without_a_delivery_asks_for_one(desk):
    make_period()

    overview = start(desk)["overview"]

    assert FocusImport.objects.count() == 0
    assert overview["next"] == {
        "sentence": "Nothing is loaded for January 2025 yet. Import the files of its sources.",
        "url": "/admin/charges/focusimport/files/",
        "label": "Import files",
    }


def test_the_pdf_of_a_statement_is_a_draft_until_it_is_rendered(desk):
    statement = make_statement(due_amount="40")
    make_line(statement, due_amount="40")

    response = desk.get(f"/admin/statements/statement/{statement.pk}/pdf/")

    assert (response.status_code, response["Content-Type"], response.content[:5]) == (200, "application/pdf", b"%PDF-")


def test_the_button_is_for_those_who_may_press_it(client, auditor):
    make_charge()
    client.force_login(auditor)

    assert start(client)["overview"]["next"] == {
        "sentence": "Nothing is held. When all files of January 2025 have come, close it.",
        "url": "",
        "label": "",
    }


def test_what_stands_in_the_way_of_the_close_comes_before_it(desk):
    def next_sentence():
        return start(desk)["overview"]["next"]["sentence"]

    charge = make_charge(review_status="held", flags={"pattern": "looks odd"})
    make_row(ImportIssue)
    azure = make_source("azure", is_expected_monthly=True)
    assert start(desk)["overview"]["next"] == {
        "sentence": "azure is expected every month and has delivered nothing: import its files, "
        "or waive it for this month.",
        "url": "/admin/charges/focusimport/files/",
        "label": "Import files",
    }

    make_import(make_period(), azure)
    assert next_sentence() == "1 charge is held for review. Decide on each, then close the month."

    approve(Charge.objects.filter(pk=charge.pk))
    assert next_sentence() == (
        "1 quarantined row is undecided: correct the file and import it again while the month is open, "
        "or discard what is not to be billed."
    )

    ImportIssue.objects.update(status="discarded")
    assert next_sentence() == "Nothing is held. When all files of January 2025 have come, close it."


def test_review_is_offered_to_those_who_may_decide(client, auditor):
    make_charge(review_status="held", flags={"pattern": "looks odd"})
    client.force_login(auditor)

    assert start(client)["overview"]["next"] == {
        "sentence": "1 charge is held for review. Decide on each, then close the month.",
        "url": "",
        "label": "",
    }
