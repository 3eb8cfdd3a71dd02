"""The queue of disputes in the admin: what is at stake, and three buttons to the stages."""

import re
from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from time_machine import travel

from charges.disputing.objecting import deny, open_dispute
from charges.models import Adjustment, Dispute, DisputeAttachment
from statements.models import Statement
from tests.make import make_charge, make_finalized, make_line, make_period, make_project, make_statement

pytestmark = pytest.mark.django_db

LIST = "/admin/charges/dispute/"
YES = "Indeed, it is the other lab's."


def words(page: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.content.decode())).split())


@pytest.fixture
def desk(client: Client, reviewer) -> Client:
    client.force_login(reviewer)
    return client


@pytest.fixture
def dispute() -> Dispute:
    make_line(make_statement(list_amount="100", due_amount="40", dispute_until="2025-03-01"), due_amount="40")
    charge = make_charge(list_amount="100", due_amount="40")
    whose = {"period": charge.period, "pi": charge.pi, "project": charge.project}
    with travel("2025-02-01"):
        return open_dispute(
            **whose, charge=charge, text="This is not our machine.", files=[SimpleUploadedFile("log.txt", b"node-2")]
        )


def step(dispute: Dispute, name: str) -> str:
    return f"{LIST}{dispute.pk}/step/{name}/"


@travel("2025-02-05")
def test_the_queue_shows_what_is_at_stake_for_how_long_and_until_when(desk, dispute):
    page = words(desk.get(LIST))

    assert "ada engine node-1 · HPC Cluster January 2025 $40.00 $100.00 Open 4 days March 1, 2025" in page


def test_the_queue_holds_open_disputes_unless_asked_for_others(desk, dispute):
    deny(dispute, text="Your group started it.")

    shown = {
        query: desk.get(LIST + query).context["cl"].result_count
        for query in ("", "?state__exact=all", "?state__exact=denied", "?state__exact=upheld")
    }
    assert shown == {"": 0, "?state__exact=all": 1, "?state__exact=denied": 1, "?state__exact=upheld": 0}
    other = make_period("2025-02")
    assert desk.get(f"{LIST}?state__exact=all&period__id__exact={other.pk}").context["cl"].result_count == 0


def test_a_page_shows_the_thread_and_what_can_be_taken_off_now(desk, dispute):
    page = words(desk.get(f"{LIST}{dispute.pk}/change/"))

    assert "$40.00 due, $100.00 list price" in page
    assert "This is not our machine. log.txt" in page


def test_uphold_takes_off_an_amount_and_answers_with_a_file(desk, dispute, reviewer):
    log = SimpleUploadedFile("invoice.pdf", b"%PDF-1.7")
    answer = desk.post(step(dispute, "uphold"), {"ground": "usage", "amount": "20", "text": YES, "file": log})

    assert (answer.status_code, answer.url) == (302, f"{LIST}{dispute.pk}/change/")
    made = Adjustment.objects.get()
    assert (made.list_amount, made.due_amount, made.created_by) == (-50, -20, reviewer)
    assert DisputeAttachment.objects.order_by("pk").last().name == "invoice.pdf"
    page = desk.get(f"{LIST}{dispute.pk}/change/")
    assert "−$20.00 due, −$50.00 list price: Not their usage" in words(page)
    assert page.context["buttons"] == []


@pytest.mark.parametrize(("given", "taken"), [("", (0, -40)), ("12.50", (0, -12.5))])
def test_uphold_of_a_price_leaves_the_list_price(desk, dispute, given, taken):
    desk.post(step(dispute, "uphold"), {"ground": "price", "amount": given, "text": YES})

    made = Adjustment.objects.get()
    assert (made.list_amount, made.due_amount) == taken


def test_what_a_stage_refuses_stands_on_the_form(desk, dispute):
    answer = desk.post(step(dispute, "uphold"), {"ground": "usage", "amount": "41", "text": YES})

    assert answer.context["form"].non_field_errors() == [
        "At most $40.00 is left to take off, after earlier adjustments."
    ]
    assert (Adjustment.objects.count(), Dispute.objects.get().state) == (0, "open")


def test_writing_keeps_it_open_and_denying_ends_it(desk, dispute, reviewer):
    desk.post(step(dispute, "answer"), {"text": "Which machine is it then?"})
    assert Dispute.objects.get().state == "open"
    desk.post(step(dispute, "deny"), {"text": "Your group started it."})

    assert Dispute.objects.get().state == "denied"
    assert [(m.by, m.is_staff) for m in dispute.messages.all()] == [(None, False), (reviewer, True), (reviewer, True)]


def test_a_file_is_a_download_for_those_who_may_view(client, dispute, auditor, outsider):
    url = f"{LIST}{dispute.pk}/file/{DisputeAttachment.objects.get().pk}/"
    client.force_login(outsider)
    assert client.get(url).status_code == 302

    client.force_login(auditor)
    response = client.get(url)
    assert (response.content, response.headers["Content-Disposition"]) == (b"node-2", 'attachment; filename="log.txt"')
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get(f"{LIST}{dispute.pk}/file/999/").status_code == 404


def test_a_finalized_month_has_no_buttons(desk, dispute):
    make_finalized(dispute.period)

    assert desk.get(f"{LIST}{dispute.pk}/change/").context["buttons"] == []
    assert desk.get(step(dispute, "deny")).status_code == 302


def test_lines_of_a_statement_are_marked_in_dispute(desk, dispute):
    first, other = Statement.objects.get(), make_statement(project=make_project("loom"))
    make_line(other)

    marked = [words(desk.get(f"/admin/statements/statement/{pk}/change/")) for pk in (first.pk, other.pk)]

    assert ["HPC Cluster · in dispute" in page for page in marked] == [True, False]
