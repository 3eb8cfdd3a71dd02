"""Disputes in the portal: the one thing that it writes, and only for those who see the statement."""

import re
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from charges.adjusting.approving import approve_adjustment
from charges.disputing.objecting import answer, deny, open_dispute, uphold, write_to_staff
from charges.merging import merge
from charges.models import Adjustment, Charge, Dispute, DisputeAttachment, ProjectDelegate
from periods import storage
from statements.models import Statement, StatementLine
from tests.make import (
    make_charge,
    make_finalized,
    make_fund,
    make_line,
    make_period,
    make_pi,
    make_project,
    make_source,
    make_statement,
)
from tests.statements.sealed import make_current

pytestmark = pytest.mark.django_db

CODE = "statements.portal.sign_in.MailedCodeBackend"
OBJECTION = "This is not our machine."


def reader(email: str) -> User:
    return User.objects.get_or_create(username=f"user of {email}", defaults={"email": email})[0]


def browser(email: str = "ada@example.edu", **kwargs: Any) -> Client:
    client = Client(**kwargs)
    client.force_login(reader(email), backend=CODE)
    return client


def words(page: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.content.decode())).split())


@pytest.fixture
def statement() -> Statement:
    """Ada's, which dora reads along; its line sums one charge of 100 list and 40 due."""
    ProjectDelegate.objects.create(project=make_project(), email="dora@example.edu")
    charge = make_charge(list_amount="100", due_amount="40")
    statement = make_statement(number=1, list_amount="100", due_amount="40")
    make_line(statement, list_amount="100", due_amount="40", charges=1)
    make_statement(number=2, pi=make_pi("grace@example.edu"), project=make_project("compiler"))
    assert charge.period == statement.period
    return make_current(statement)


@pytest.fixture
def dispute(statement: Statement) -> Dispute:
    whose = {"period": statement.period, "pi": statement.pi, "project": statement.project}
    made = open_dispute(**whose, charge=Charge.objects.get(), text=OBJECTION, by=reader("ada@example.edu"))
    return write_to_staff(
        made, text="See the log.", files=[SimpleUploadedFile("log.txt", b"node-2")], by=made.opened_by
    )


def of_charge() -> str:
    return f"/statements/1/charge/{Charge.objects.get().pk}/dispute/"


def of_line() -> str:
    return f"/statements/1/line/{StatementLine.objects.get().pk}/dispute/"


# Who may


ACTIONS = {
    "list": ("get", "/disputes/"),
    "page": ("get", "/disputes/{dispute}/"),
    "file": ("get", "/disputes/{dispute}/file/{file}/"),
    "ask to dispute a charge": ("get", "/statements/1/charge/{charge}/dispute/"),
    "ask to dispute a line": ("get", "/statements/1/line/{line}/dispute/"),
    "dispute a charge again": ("post", "/statements/1/charge/{charge}/dispute/"),
    "dispute a line": ("post", "/statements/1/line/{line}/dispute/"),
    "write": ("post", "/disputes/{dispute}/message/"),
    "withdraw": ("post", "/disputes/{dispute}/withdraw/"),
}


def answers(client: Client, dispute: Dispute) -> list[Any]:
    names = {
        "dispute": dispute.pk,
        "file": DisputeAttachment.objects.get().pk,
        "charge": dispute.charge_id,
        "line": StatementLine.objects.get().pk,
    }
    return [getattr(client, method)(url.format(**names), {"text": OBJECTION}) for method, url in ACTIONS.values()]


def test_writes_ask_for_the_token_of_their_own_form(dispute):
    found = answers(browser(enforce_csrf_checks=True), dispute)

    assert [answer.status_code for answer in found] == [200] * 5 + [403] * 4


def test_one_who_is_no_delegate_any_more_sees_nothing(dispute):
    ProjectDelegate.objects.all().delete()

    assert browser("dora@example.edu").get(f"/disputes/{dispute.pk}/").status_code == 404
    assert list(browser("dora@example.edu").get("/disputes/").context["page"]) == []


def test_only_what_the_statement_says_can_be_disputed(statement):
    other = make_charge(pi=make_pi("grace@example.edu"))
    held = make_charge(review_status="held", flags={"pattern": "x"})
    late = make_line(statement, description="Correction of 2024-12, statement S-000009")
    adjusted = make_line(statement, kind="adjustment")
    theirs = make_line(Statement.objects.get(number=2))
    urls = [f"/statements/1/charge/{charge.pk}/dispute/" for charge in (other, held)]
    urls += [f"/statements/1/line/{line.pk}/dispute/" for line in (late, adjusted, theirs)]

    assert [browser().get(url).status_code for url in urls] == [404] * 5


# What happens


def test_a_charge_is_disputed_with_files(statement):
    log = SimpleUploadedFile("log.txt", b"node-2")

    answer = browser().post(of_charge(), {"text": OBJECTION, "files": [log, SimpleUploadedFile("b.csv", b"a,b")]})

    made = Dispute.objects.get()
    assert (answer.status_code, answer.url) == (302, f"/disputes/{made.pk}/")
    assert (made.pi, made.project, made.period) == (statement.pi, statement.project, statement.period)
    assert (made.charge, made.opened_by, made.due_amount) == (Charge.objects.get(), reader("ada@example.edu"), 40)
    assert list(DisputeAttachment.objects.values_list("name", flat=True)) == ["log.txt", "b.csv"]


def test_a_line_is_disputed_by_its_key(statement):
    browser("dora@example.edu").post(of_line(), {"text": OBJECTION})

    made = Dispute.objects.get()
    assert (made.charge, made.source, made.service_name) == (None, make_source(), "HPC Cluster")
    assert (made.funding_account, made.due_amount, made.list_amount) == (make_fund(), 40, 100)


def test_what_is_refused_is_said_and_the_words_are_kept(statement):
    page = browser().post(of_charge(), {"text": "Wrong!"})
    assert "Give a reason of at least 10 characters." in words(page)
    assert ">Wrong!</textarea>" in page.content.decode()

    page = browser().post(of_charge(), {"text": OBJECTION, "files": [SimpleUploadedFile("x.html", b"<p>")]})
    assert "x.html is no file that can be attached." in words(page)
    assert Dispute.objects.count() == 0


def test_what_is_in_dispute_is_marked_and_leads_there(dispute):
    page = browser().get("/statements/1/").content.decode()

    assert re.findall(r'<a[^>]*href="([^"]*)"[^>]*>In dispute</a>', page) == [f"/disputes/{dispute.pk}/"]
    assert re.findall(r'<a href="([^"]*/dispute/)"', page) == [of_line()]
    browser().post(of_line(), {"text": OBJECTION})
    assert browser().get("/statements/1/").content.decode().count(">In dispute</a>") == 2


def test_a_finalized_month_offers_no_dispute_and_refuses_one_with_a_sentence(dispute):
    line = of_line()
    deny(dispute, text="Your group started it.")
    make_finalized(dispute.period)

    assert "Dispute</a>" not in browser().get("/statements/1/").content.decode().replace("Disputes</a>", "")
    page = browser().post(line, {"text": OBJECTION})
    assert "January 2025 is finalized: nothing in it changes any more." in words(page)
    assert "<textarea" not in page.content.decode()
    assert Dispute.objects.count() == 1


def test_a_page_tells_the_whole_story(dispute):
    Statement.objects.filter(number=1).update(dispute_until="2025-03-01")
    answer(dispute, text="Which machine is it then?")
    uphold(dispute, ground="usage", amount=Decimal(20), text="Indeed, half of it is not.")

    page = words(browser("dora@example.edu").get(f"/disputes/{dispute.pk}/"))

    told = [
        "node-1 · HPC Cluster", "objections until March 1, 2025", "Upheld",
        "List price in dispute $100.00 Amount due in dispute $40.00 Taken off the amount due −$20.00",
        "It was not your usage: the list price changes by −$50.00.",
        OBJECTION, "log.txt", "Billing office", "Which machine is it then?", "Indeed, half of it is not.",
    ]  # fmt: skip
    assert [part for part in told if part not in page] == []
    assert "Withdraw" not in page


def test_words_of_a_message_are_escaped(dispute):
    browser().post(f"/disputes/{dispute.pk}/message/", {"text": "<script>alert(1)</script>"})

    assert "<script" not in browser().get(f"/disputes/{dispute.pk}/").content.decode()


def test_only_the_one_who_opened_it_is_offered_to_withdraw(dispute):
    url = f"/disputes/{dispute.pk}/"

    assert "Withdraw the dispute" in words(browser().get(url))
    assert "Withdraw the dispute" not in words(browser("dora@example.edu").get(url))
    refused = browser("dora@example.edu").post(f"{url}withdraw/")
    assert "Only the person who opened a dispute withdraws it." in words(refused)
    browser().post(f"{url}withdraw/")
    assert "It was taken back, and stays due." in words(browser().get(url))
    assert "This dispute is withdrawn: nothing is added to it any more." in words(
        browser().post(f"{url}message/", {"text": "One more thing"})
    )


def test_a_file_is_a_download_and_nothing_else(dispute):
    file = DisputeAttachment.objects.get()
    response = browser().get(f"/disputes/{dispute.pk}/file/{file.pk}/")

    assert response.content == b"node-2"
    assert {name: response.headers[name] for name in ("Content-Type", "Content-Disposition", "Cache-Control")} == {
        "Content-Type": "text/plain",
        "Content-Disposition": 'attachment; filename="log.txt"',
        "Cache-Control": "no-store, private",
    }
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_of_another_dispute_or_that_was_changed_is_not_found(dispute, caplog):
    file = DisputeAttachment.objects.get()
    browser().post(of_line(), {"text": OBJECTION})
    other = Dispute.objects.exclude(pk=dispute.pk).get()
    assert browser().get(f"/disputes/{other.pk}/file/{file.pk}/").status_code == 404

    storage.locate(file.path).write_bytes(b"forged")
    assert browser().get(f"/disputes/{dispute.pk}/file/{file.pk}/").status_code == 404
    assert caplog.messages[1] == f"Attachment {file.pk} was asked for and cannot be given."


def test_a_reader_without_disputes_is_told_how(statement):
    assert "Nothing is in dispute." in words(browser().get("/disputes/"))


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_asks_four_questions(django_assert_num_queries, rows):
    for number in range(rows):
        charge = make_charge(project=make_project(f"project-{number}"), period=make_period())
        make_statement(project=charge.project)
        whose = {"period": charge.period, "pi": charge.pi, "project": charge.project}
        open_dispute(**whose, charge=charge, text=OBJECTION, by=reader("ada@example.edu"))
    client = browser()

    with django_assert_num_queries(4):  # session, user, count, disputes
        assert len(client.get("/disputes/").context["page"]) == rows


@pytest.mark.parametrize("rows", [1, 3])
def test_a_dispute_asks_five_questions(django_assert_num_queries, dispute, rows):
    for number in range(1, rows):
        files = [SimpleUploadedFile(f"{number}.txt", b"text")]
        write_to_staff(dispute, text=f"Message {number}", files=files, by=reader("dora@example.edu"))
    client = browser()

    with django_assert_num_queries(5):  # session, user, dispute, messages, files
        assert len(client.get(f"/disputes/{dispute.pk}/").context["thread"]) == rows + 1


# What is merged before the next revision


@pytest.fixture
def merged(statement: Statement) -> Statement:
    """Since the statement was issued: PI, project and fund all go by another name."""
    merge(make_pi(), make_pi("ada@new.example.edu"), reason="She changed her address")
    merge(make_project(), make_project("engine-2"), reason="A typo in the tags")
    merge(make_fund(), make_fund("NSF-01"), reason="A typo in the tags")
    return statement


@pytest.mark.parametrize("url", [of_charge, of_line])
def test_what_was_merged_is_disputed_once(merged, url):
    first = browser().post(url(), {"text": OBJECTION})
    again = browser().post(url(), {"text": OBJECTION})

    made = Dispute.objects.get()
    assert (first.status_code, first.url) == (302, f"/disputes/{made.pk}/")
    assert f"It is in dispute already: write to dispute {made.pk}." in words(again)
    assert (made.pi.email, made.project.code, made.due_amount) == ("ada@new.example.edu", "engine-2", 40)


@pytest.mark.parametrize("email", ["ada@example.edu", "dora@example.edu"])
def test_a_dispute_from_before_a_merge_is_found_as_before(dispute, email):
    merge(make_pi(), make_pi("ada@new.example.edu"), reason="She changed her address")
    merge(make_project(), make_project("engine-2"), reason="A typo in the tags")
    client = browser(email)

    assert [found.pk for found in client.get("/disputes/").context["page"]] == [dispute.pk]
    assert client.get(f"/disputes/{dispute.pk}/").status_code == 200
    assert client.get("/statements/1/").context["marks"].charges == {dispute.charge_id: dispute.pk}
    assert "It is in dispute already" in words(client.post(of_charge(), {"text": OBJECTION}))


def test_a_disputed_line_keeps_its_mark_when_its_fund_is_merged(statement):
    browser().post(of_line(), {"text": OBJECTION})
    merge(make_fund(), make_fund("NSF-01"), reason="A typo in the tags")

    (line,) = browser().get("/statements/1/").context["lines"]
    assert line.dispute == Dispute.objects.get().pk


def test_a_statement_of_others_shows_no_dispute_of_the_project_it_was_merged_into(statement):
    """Grace's project became Ada's; Ada's disputes are none of hers."""
    browser().post(of_charge(), {"text": OBJECTION})
    merge(make_project("compiler"), make_project(), reason="One project from now on")

    assert list(browser("grace@example.edu").get("/disputes/").context["page"]) == []


# What awaits approval


def test_a_proposal_is_not_shown_before_it_is_approved(dispute, settings, billing_admin):
    settings.ADJUSTMENT_APPROVAL_ABOVE = Decimal(10)
    note = SimpleUploadedFile("note.txt", b"Agreed.")
    uphold(dispute, ground="usage", text="Indeed, it is not yours.", files=[note])
    file = DisputeAttachment.objects.get(name="note.txt").pk
    urls = (f"/disputes/{dispute.pk}/", f"/disputes/{dispute.pk}/file/{file}/")

    before = [browser().get(url) for url in urls]
    approve_adjustment(Adjustment.objects.get(), by=billing_admin)
    after = [browser().get(url) for url in urls]

    assert [page.status_code for page in before + after] == [200, 404, 200, 200]
    assert ["Indeed, it is not yours." in words(page) for page in (before[0], after[0])] == [False, True]
    assert [page.context["dispute"].get_state_display() for page in (before[0], after[0])] == ["Open", "Upheld"]
