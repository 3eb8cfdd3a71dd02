"""What staff see of statements, and what they do with many at once."""

import io
from zipfile import ZipFile

import pytest
from django.contrib.messages import get_messages
from lxml import html

from charges.models import Charge
from statements.admin import statement_bulk
from statements.emailing import email_statements
from statements.issuing import issue_statements
from statements.models import EmailDelivery, Statement
from tests.make import make_charge, make_closed, make_period, make_pi, make_project, make_statement
from tests.statements.mail_server import archive, make_rendered, send, server

pytestmark = pytest.mark.django_db
__all__ = ["server"]
LIST = "/admin/statements/statement/"


@pytest.fixture
def staff(client, billing_admin):
    client.force_login(billing_admin)
    return client


def said(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def listed(client, query="") -> list[str]:
    return [row.printed_number for row in client.get(LIST + query).context["cl"].queryset]


def act(client, action, *statements, query="", shown=None, **answers):
    """Choose these, or all where none is named; confirm where `shown` says how many were shown."""
    chosen = statements or Statement.objects.all()
    data = {"action": action, "_selected_action": [row.pk for row in chosen], **answers}
    data["select_across"] = "0" if statements else "1"
    return client.post(LIST + query, data if shown is None else data | {"shown": shown})


def issued(*projects, month="2025-01"):
    period = make_period(month)
    for project in projects:
        make_charge(period=period, pi=make_pi(f"{project}@example.edu"), project=make_project(project), due_amount="5")
    make_closed(period)
    issue_statements(period)
    return [Statement.objects.get(period=period, project__code=project) for project in projects]


def deliver(statement, status, kind="statements", recipient=None):
    mail = EmailDelivery.objects.create(
        period=statement.period, pi=statement.pi, kind=kind, recipient=recipient or statement.pi.email,
        content_key=f"{EmailDelivery.objects.count()}", status=status,
    )  # fmt: skip
    mail.statements.add(statement)


# Filters


@pytest.mark.parametrize(
    ("query", "dues"),
    [("?due=due", [12]), ("?due=zero", [0]), ("?due=negative", [-3]), ("", [-3, 0, 12]), ("?due=all", [-3, 0, 12])],
)
def test_statements_are_listed_by_what_is_due(staff, query, dues):
    for due in (12, 0, -3):
        make_statement(project=make_project(f"p{due}"), due_amount=due)

    assert sorted(row.due_amount for row in staff.get(LIST + query).context["cl"].queryset) == dues


def test_unsent_are_those_that_no_message_carried_to_the_pi(staff):
    sent, delivered, complained, bounced, queued, copied, never = (
        make_statement(project=make_project(name)) for name in "abcdefg"
    )
    superseded = make_statement(project=make_project("h"), state="superseded")
    for statement, status in ((sent, "sent"), (delivered, "delivered"), (complained, "complained"),
                              (bounced, "bounced"), (queued, "queued")):  # fmt: skip
        deliver(statement, status)
    deliver(copied, "sent", kind="copy")

    assert listed(staff, "?mail=unsent") == [str(row) for row in (never, copied, queued, bounced)]
    assert str(superseded) in listed(staff)


def test_bounced_are_those_whose_pi_or_delegate_got_nothing_since(staff):
    of_pi, of_delegate, made_good, of_copy, superseded = (
        make_statement(project=make_project(name)) for name in "abcde"
    )
    deliver(of_pi, "bounced")
    deliver(of_delegate, "sent")
    deliver(of_delegate, "bounced", kind="delegate", recipient="bob@example.edu")
    deliver(made_good, "bounced")
    deliver(made_good, "sent")
    deliver(of_copy, "bounced", kind="copy")
    deliver(superseded, "bounced")
    Statement.objects.filter(pk=superseded.pk).update(state="superseded")

    assert listed(staff, "?mail=bounced") == [str(of_delegate), str(of_pi)]


def test_those_without_a_pdf_are_listed(staff):
    make_rendered()
    bare = make_statement(project=make_project("bare"))

    assert listed(staff, "?pdf=missing") == [str(bare)]


def test_the_list_says_where_the_mail_stands(staff):
    sent, _, superseded = (make_statement(project=make_project(name)) for name in "abc")
    deliver(sent, "bounced")
    deliver(sent, "sent")
    deliver(sent, "failed", kind="copy")
    Statement.objects.filter(pk=superseded.pk).update(state="superseded")

    page = html.fromstring(staff.get(LIST).content)
    cells = page.xpath("//td[contains(@class, 'field-mail')]")

    assert [" ".join(cell.text_content().split()) for cell in cells] == ["-", "Not sent", "Sent"]


@pytest.mark.parametrize("query", ["?due=due", "?mail=unsent", "?mail=bounced", "?pdf=missing"])
@pytest.mark.parametrize("rows", [1, 3])
def test_filters_cost_the_same_queries_for_any_number_of_rows(staff, django_assert_num_queries, query, rows):
    for number in range(rows):
        deliver(make_statement(project=make_project(f"p{number}"), due_amount=number + 1), "bounced")
    staff.get(LIST)

    with django_assert_num_queries(8):
        assert len(listed(staff, query)) == rows


# Many at once


def test_the_page_between_says_what_was_chosen(staff):
    issued("atoms", "birds")
    make_statement(project=make_project("old"), state="superseded")

    page = act(staff, "email").context

    numbers = ", ".join(str(row) for row in Statement.objects.filter(state="issued").order_by("number"))
    assert page["title"] == "E-mail: 3 statements selected"
    assert page["summary"] == [
        ("Statements", numbers), ("PIs", "2"), ("Amount due", "$10.00"), ("Left out", "1 is superseded or void"),
    ]  # fmt: skip


def test_pdfs_of_those_chosen_are_rendered(staff):
    atoms, birds, cells = issued("atoms", "birds", "cells")

    response = act(staff, "render", atoms, birds, shown=2)

    assert said(response) == ["January 2025: 2 PDFs rendered, 0 there already."]
    assert set(Statement.objects.filter(document=None)) == {cells}


def test_all_that_the_list_shows_are_rendered(staff):
    atoms, _ = issued("atoms", "birds")
    archive(atoms)
    issued("cells", month="2025-02")

    response = act(staff, "render", query="?pdf=missing", shown=2)

    assert said(response) == [
        "January 2025: 1 PDF rendered, 0 there already. February 2025: 1 PDF rendered, 0 there already."
    ]
    assert not Statement.objects.filter(document=None).exists()


def test_a_page_renders_for_so_many_seconds_and_says_what_is_left(staff, monkeypatch):
    atoms, birds = issued("atoms", "birds")
    monkeypatch.setattr(statement_bulk, "PATIENCE", -1)

    response = act(staff, "render", atoms, birds, shown=2)

    (sentence,) = said(response)
    assert sentence == (
        "January 2025: 0 PDFs rendered, 0 there already. "
        "2 are left: do it again for them, or let render_statements make them."
    )


def test_only_pis_of_those_chosen_are_mailed_all_of_theirs(staff, server):
    ada, other = make_rendered(project="atoms"), make_rendered(project="birds")
    make_rendered("bob@example.edu", project="cells")

    response = act(staff, "email", ada, shown=1)

    assert said(response) == ["January 2025: Messages: 1 sent."]
    assert server.recipients == {"ada@example.edu": 1}
    assert set(EmailDelivery.objects.get().statements.all()) == {ada, other}
    assert said(act(staff, "email", ada, shown=1))[-1] == "January 2025: Messages: 0 sent, 1 sent before."
    assert send().sent == 1
    assert server.recipients == {"ada@example.edu": 1, "bob@example.edu": 1}


def test_what_waits_for_others_stays_in_the_queue(staff, server):
    ada, bob = make_rendered(), make_rendered("bob@example.edu", project="birds")
    send(limit=0)
    assert EmailDelivery.objects.filter(status="queued").count() == 2

    act(staff, "email", bob, shown=1)

    assert server.recipients == {"bob@example.edu": 1}
    assert EmailDelivery.objects.get(status="queued").recipient == ada.pi.email


def test_all_that_are_unsent_are_mailed(staff, server):
    for name in ("ada", "bob", "cy"):
        make_rendered(f"{name}@example.edu", project=name)

    response = act(staff, "email", query="?mail=unsent", shown=3)

    assert said(response) == ["January 2025: Messages: 3 sent."]
    assert listed(staff, "?mail=unsent") == []


def test_a_month_that_refuses_does_not_stop_another(staff, server):
    make_rendered()
    make_statement(period=make_period("2025-02"), project=make_project("birds"))
    make_closed(make_period("2025-02"))

    response = act(staff, "email", shown=2)

    assert said(response) == [
        "January 2025: Messages: 1 sent. 1 statement of February 2025 has no PDF: run render_statements 2025-02 first."
    ]


@pytest.mark.parametrize("state", ["superseded", "void"])
def test_what_is_not_issued_is_not_mailed(staff, server, state):
    make_rendered()
    Statement.objects.update(state=state)

    response = act(staff, "email", shown=1)

    refusal = "Nothing to send for January 2025: only what is issued is mailed."
    assert list(response.context["form"].non_field_errors()) == [refusal]
    assert server.recipients == {}


def test_those_chosen_are_sent_again_as_copies(staff, server):
    make_rendered(), make_rendered("bob@example.edu", project="birds")
    send()

    response = act(staff, "copy", shown=2, to="")

    assert said(response) == ["Copies: 2 sent."]
    assert server.recipients == {"ada@example.edu": 2, "bob@example.edu": 2}
    assert EmailDelivery.objects.filter(kind="copy").count() == 2


def test_a_selection_that_changed_is_looked_at_again(staff, server):
    make_rendered(), make_rendered("bob@example.edu", project="birds")

    response = act(staff, "email", shown=1)

    assert list(response.context["form"].non_field_errors()) == [
        "The selection has changed meanwhile: it is now 2 statements. Look again."
    ]
    assert server.recipients == {}


def test_those_chosen_are_downloaded_as_one_file(staff):
    ada = make_rendered()
    make_rendered("bob@example.edu", project="birds")

    response = act(staff, "download", ada)

    assert response.streaming
    assert response.headers["Content-Disposition"] == 'attachment; filename="statements-2025-01.zip"'
    assert ZipFile(io.BytesIO(response.getvalue())).namelist() == [f"2025-01/{ada.file_name}"]


def test_a_download_with_a_pdf_missing_is_refused_on_the_list(staff):
    bare = make_statement()

    response = act(staff, "download", bare)

    assert (response.status_code, said(response)) == (
        302, [f"1 statement has no PDF, {bare} first: render them, or leave them out."],
    )  # fmt: skip


# Roles


@pytest.mark.parametrize("role", ["superuser", "billing_admin", "reviewer", "finance", "auditor"])
def test_each_role_is_offered_what_it_may_do(client, request, role):
    make_statement()
    client.force_login(request.getfixturevalue(role))

    form = client.get(LIST).context["action_form"]

    offered = [name for name, _ in form.fields["action"].choices if name] if form else []
    assert offered == (["render", "email", "copy", "download"] if role in {"superuser", "billing_admin"} else [])


@pytest.mark.parametrize("role", ["reviewer", "finance", "auditor"])
@pytest.mark.parametrize("action", ["render", "email", "copy", "download"])
def test_posting_past_a_hidden_action_does_nothing(client, server, request, role, action):
    statement = make_rendered()
    client.force_login(request.getfixturevalue(role))

    response = act(client, action, statement, shown=1, to="dean@example.edu")

    assert (response.status_code, response.streaming) == (302, False) or response.status_code == 200
    assert not EmailDelivery.objects.exists()
    assert not response.streaming


# The page of one


def facts(client, statement) -> dict[str, list[list[str]]]:
    page = html.fromstring(client.get(f"{LIST}{statement.pk}/change/").content)
    return {
        name: [
            [" ".join(cell.text_content().split()) for cell in row.xpath("./td")]
            for row in page.xpath(f"//table[.//th[1] = '{heading}']/tbody/tr")
        ]
        for name, heading in (("revisions", "Revision"), ("mails", "To"))
    }


def test_a_page_leads_to_every_revision_and_tells_of_every_message(staff, server):
    (first,) = issued("atoms")
    archive(first)
    email_statements(first.period)
    Charge.objects.update(due_amount="4")
    issue_statements(first.period)
    second = Statement.objects.get(revision=2)

    old, new = facts(staff, first), facts(staff, second)

    assert [row[:2] + row[3:] for row in new["revisions"]] == [
        ["This one", "Issued", "Draft", "$4.00"], ["Revision 1", "Superseded", "PDF", "$5.00"],
    ]  # fmt: skip
    assert [row[:3] for row in old["mails"]] == [["atoms@example.edu", "Statements for the PI", "Sent"]]
    assert new["mails"] == []
    page = html.fromstring(staff.get(f"{LIST}{second.pk}/change/").content)
    assert f"/admin/statements/statement/{first.pk}/change/" in page.xpath("//a/@href")
    assert page.xpath("//iframe/@src")[0].partition("#")[0] == f"/admin/statements/statement/{second.pk}/pdf/"


def test_a_changed_statement_is_no_longer_sent(staff, server):
    (first,) = issued("atoms")
    archive(first)
    email_statements(first.period)
    assert listed(staff, "?mail=unsent") == []

    Charge.objects.update(due_amount="4")
    issue_statements(first.period)
    second = Statement.objects.get(revision=2)

    assert listed(staff, "?mail=unsent") == [str(second)]
    archive(second)
    assert said(staff.post(f"{LIST}{second.pk}/step/email/")) == ["January 2025: Messages: 1 sent."]
    assert listed(staff, "?mail=unsent") == []
    assert server.recipients == {"atoms@example.edu": 2}


@pytest.mark.parametrize(
    ("is_rendered", "is_sent", "offered"),
    [
        (False, False, ["Render PDF"]),
        (True, False, ["E-mail", "Send a copy"]),
        (True, True, ["Send a copy"]),
    ],
)
def test_a_page_offers_what_is_next(staff, server, is_rendered, is_sent, offered):
    (statement,) = issued("atoms")
    if is_rendered:
        archive(statement)
    if is_sent:
        email_statements(statement.period)

    buttons = staff.get(f"{LIST}{statement.pk}/change/").context["buttons"]

    assert [button["step"].label for button in buttons] == offered
