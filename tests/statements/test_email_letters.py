"""Who gets which statements: the PI all, a delegate their projects', a copy whoever somebody names."""

import pytest
from django.core.management import call_command

from charges.models import PIAddress, ProjectDelegate
from periods.errors import NotPermitted, Refused
from periods.models import AuditEntry
from statements.emailing import Emailed, send_copies, send_test
from statements.models import EmailDelivery, Statement
from tests.make import make_charge, make_closed, make_period, make_pi, make_project, make_statement
from tests.statements.mail_server import archive, make_rendered, send, server

pytestmark = pytest.mark.django_db
__all__ = ["server"]


def delegate(address: str, *projects: str) -> None:
    for code in projects:
        ProjectDelegate.objects.create(project=make_project(code), email=address)


def attached(message) -> list[str]:
    return [part.get_content().decode().removeprefix("%PDF ") for part in message.iter_attachments()]


def test_a_delegate_gets_a_message_of_their_own_with_their_projects_only(server, settings):
    settings.MAIL_DELEGATES = True
    climate, ocean = make_rendered(project="climate"), make_rendered(project="ocean", list_amount="777")
    delegate("bob@example.edu", "climate")

    assert send() == Emailed(sent=2)

    got = dict(server.accepted)
    assert attached(got["ada@example.edu"]) == [climate.printed_number, ocean.printed_number]
    assert attached(got["bob@example.edu"]) == [climate.printed_number]
    assert (got["bob@example.edu"]["To"], got["bob@example.edu"]["Cc"]) == ("bob@example.edu", None)
    body = got["bob@example.edu"].get_body(("plain",)).get_content()
    assert body.splitlines()[0] == "You get this as a delegate of ada, for this project."
    assert [word for word in ("ocean", "777.00") if word in got["bob@example.edu"].as_string()] == []
    said = "Delegates got their projects' statements too: bob@example.edu."
    assert said in got["ada@example.edu"].get_body(("plain",)).get_content().splitlines()
    assert send() == Emailed(skipped=2)


def test_delegates_get_nothing_unless_the_setting_says_so(server):
    make_rendered(project="climate")
    delegate("bob@example.edu", "climate")

    assert send() == Emailed(sent=1)
    assert server.recipients == {"ada@example.edu": 1}


def test_a_pi_who_is_their_own_delegate_gets_one_message(server, settings):
    settings.MAIL_DELEGATES = True
    make_rendered(project="climate")
    PIAddress.objects.create(pi=make_pi(), email="ada@home.example.edu")
    delegate("ada@example.edu", "climate")
    delegate("ada@home.example.edu", "climate")

    assert send() == Emailed(sent=1)


def test_delegates_of_a_merged_project_get_its_statements(server, settings):
    settings.MAIL_DELEGATES = True
    statement = make_rendered(project="climate")
    kept = make_project("climate-kept")
    statement.project.merged_into = kept
    statement.project.save()
    delegate("bob@example.edu", "climate-kept")

    send()

    assert server.recipients == {"ada@example.edu": 1, "bob@example.edu": 1}


def test_a_delegate_whose_address_is_refused_keeps_nothing_from_the_pi(server, settings):
    settings.MAIL_DELEGATES = True
    make_rendered(project="climate")
    delegate("unknown@example.edu", "climate")

    assert send() == Emailed(
        sent=1, failed=1, problems=["unknown@example.edu (failed): the mail server answered 550 no such user"]
    )


def test_a_delegate_taken_off_a_project_gets_nothing_that_still_waits(server, settings):
    settings.MAIL_DELEGATES = True
    make_rendered(project="climate")
    delegate("bob@example.edu", "climate")
    send(limit=1)
    ProjectDelegate.objects.all().delete()

    assert send() == Emailed(skipped=1)
    assert server.recipients == {"ada@example.edu": 1}


def test_a_waiting_message_goes_to_the_pis_new_address(server):
    statement = make_rendered("ada@example.edu")
    send(limit=0)
    statement.pi.email = "ada@new.example.edu"
    statement.pi.save()

    assert send() == Emailed(sent=1)
    assert server.recipients == {"ada@new.example.edu": 1}


def test_what_is_too_large_is_linked_into_the_portal(server, settings):
    settings.MAIL_ATTACHMENTS_MB, settings.SITE_URL = 1, "https://billing.example.edu"
    statement = make_rendered()
    type(statement.document).objects.filter(pk=statement.document.pk).update(size=1_000_001)

    assert send() == Emailed(sent=1)

    message = server.accepted[0][1]
    link = f"https://billing.example.edu/statements/{statement.number}/pdf/"
    assert attached(message) == []
    assert f"  {link}" in message.get_body(("plain",)).get_content().splitlines()
    html = message.get_body(("html",)).get_content()
    assert html.count(f'href="{link}"') == 1
    sentence = "The statement is too large for a mail: its link leads to the PDF, after signing in with a code mailed"
    assert html.count(sentence) == 1


@pytest.mark.parametrize(
    ("list_amount", "due_amount", "subject"),
    [
        ("2400", "0", "January 2025: $2,400.00 of research computing, nothing due (engine)"),
        ("2400", "12.50", "January 2025: $2,400.00 of research computing, $12.50 due (engine)"),
        ("-5", "-5", "January 2025: your research computing (engine)"),
        ("0", "0", "January 2025: your research computing (engine)"),
    ],
)
def test_the_subject_has_the_value_delivered(server, list_amount, due_amount, subject):
    make_rendered(list_amount=list_amount, due_amount=due_amount)

    send()

    assert " ".join(server.accepted[0][1]["Subject"].split()) == subject


def test_a_long_name_is_cut_in_the_subject(server):
    make_rendered(project="A study of " + "x" * 80, list_amount="2400", due_amount="0")

    send()

    subject = " ".join(server.accepted[0][1]["Subject"].split())
    assert subject == "January 2025: $2,400.00 of research computing, nothing due (A study of…)"


def test_the_html_part_needs_nothing_from_elsewhere_and_no_style_sheet(server, settings):
    settings.SITE_URL = "https://billing.example.edu"
    make_rendered(project="climate", list_amount="2400", due_amount="0")
    make_rendered(project="ocean", list_amount="130", due_amount="12.50")

    send()

    html = server.accepted[0][1].get_body(("html",)).get_content()
    assert [
        word for word in ("<style", "<link", "<img", "<script", "src=", "url(", "@import", "class=") if word in html
    ] == []
    assert html.count('<html lang="en-US">') == 1
    assert html.count('<th scope="row"') == 9  # three figures of two projects and of both together
    assert html.count("<caption") == 3
    assert html.count("You received $2,530.00 of research computing. $12.50 is charged to your fund.") == 1


# Copies


def copy(statement, *, to, by):
    send_copies(Statement.objects.filter(pk=statement.pk), to=to, by=by)
    return EmailDelivery.objects.filter(kind="copy").latest("pk")


def test_a_copy_goes_to_a_named_address_and_says_that_it_is_one(server, billing_admin):
    statement = make_rendered()
    send()

    delivery = copy(statement, to="dean@example.edu", by=billing_admin)

    assert (delivery.kind, delivery.status) == ("copy", "sent")
    message = dict(server.accepted)["dean@example.edu"]
    assert message["Subject"].startswith("Copy: January 2025: $100.00")
    assert message.get_body(("plain",)).get_content().splitlines()[0] == "This is a copy of what was sent to ada."
    assert attached(message) == [statement.printed_number]
    entry = AuditEntry.objects.get(action="send a copy")
    assert (entry.by, entry.after) == (billing_admin, {"to": "dean@example.edu"})
    assert send() == Emailed(skipped=1)


def test_a_copy_may_go_to_the_same_address_again(server, billing_admin):
    statement = make_rendered()
    for _ in range(2):
        copy(statement, to="dean@example.edu", by=billing_admin)

    assert server.recipients == {"dean@example.edu": 2}


def test_a_copy_alone_is_no_mail_to_the_pi(server, billing_admin):
    copy(make_rendered(), to="dean@example.edu", by=billing_admin)

    assert send() == Emailed(sent=1)
    assert server.recipients == {"dean@example.edu": 1, "ada@example.edu": 1}


def test_a_deferred_copy_goes_with_a_later_run(server, billing_admin):
    statement = make_rendered()

    delivery = copy(statement, to="busy@example.edu", by=billing_admin)

    assert (delivery.status, delivery.error) == ("queued", "the mail server answered 451 try again")
    server.answers_to_data.clear()
    EmailDelivery.objects.update(next_attempt_at=None)
    assert send().sent == 2
    assert server.recipients == {"busy@example.edu": 1, "ada@example.edu": 1}


def superseded(statement):
    Statement.objects.filter(pk=statement.pk).update(state="superseded")


def stale(statement):
    make_charge(pi=statement.pi, project=statement.project, due_amount="3")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (superseded, "is superseded: only what is issued is mailed."),
        (stale, "is out of date: issue statements first."),
    ],
)
def test_what_is_not_current_is_not_copied(server, billing_admin, spoil, sentence):
    statement = make_rendered()
    spoil(statement)

    with pytest.raises(Refused) as refused:
        copy(statement, to="dean@example.edu", by=billing_admin)

    assert str(refused.value) == f"{statement} {sentence}"
    assert not EmailDelivery.objects.exists()


def test_a_statement_without_a_pdf_is_not_copied(server, billing_admin):
    statement = make_statement()
    make_closed(make_period())

    with pytest.raises(Refused, match="has no PDF yet: render statements first"):
        copy(statement, to="dean@example.edu", by=billing_admin)


def test_copies_of_many_are_a_message_for_each_pi(server, billing_admin):
    many = [make_rendered(project="climate"), make_rendered(project="ocean"), make_rendered("bob@example.edu")]
    outdated = make_rendered("cy@example.edu", project="late")
    stale(outdated)

    done = send_copies(Statement.objects.all(), by=billing_admin)

    assert done == Emailed(sent=2, problems=[f"{outdated} is out of date: issue statements first."])
    assert server.recipients == {"ada@example.edu": 1, "bob@example.edu": 1}
    assert attached(dict(server.accepted)["ada@example.edu"]) == [found.printed_number for found in many[:2]]
    assert AuditEntry.objects.filter(action="send a copy").count() == 3


def test_copies_of_many_may_all_go_to_one_address(server, billing_admin):
    make_rendered(), make_rendered("bob@example.edu", project="ocean")

    assert send_copies(Statement.objects.all(), to="dean@example.edu", by=billing_admin) == Emailed(sent=2)
    assert server.recipients == {"dean@example.edu": 2}


def test_copies_above_the_messages_a_minute_wait_for_the_next_run(server, billing_admin, settings):
    settings.MAIL_PER_MINUTE = 1
    make_rendered(), make_rendered("bob@example.edu", project="ocean")

    assert send_copies(Statement.objects.all(), by=billing_admin) == Emailed(sent=1, waiting=1)


def test_without_a_mail_server_no_copy_is_queued(server, billing_admin, settings):
    settings.EMAIL_PORT = 1
    make_rendered()

    with pytest.raises(Refused, match="The mail server cannot be used"):
        send_copies(Statement.objects.all(), by=billing_admin)

    assert not EmailDelivery.objects.exists()


def test_copies_need_their_permission(server, auditor):
    with pytest.raises(NotPermitted):
        copy(make_rendered(), to="dean@example.edu", by=auditor)


# Test messages


def test_a_test_message_goes_to_whoever_asks(server, billing_admin):
    assert send_test(by=billing_admin) == "admin@example.edu"

    ((recipient, message),) = server.accepted
    assert (recipient, message["Subject"]) == ("admin@example.edu", "Test message of Research Computing")
    assert AuditEntry.objects.get(action="test mail").after == {"status": "sent", "error": ""}


def test_what_the_server_answers_to_a_test_message_is_said(server, billing_admin):
    billing_admin.email = "unknown@example.edu"

    with pytest.raises(Refused, match=r"^The test message was not sent: the mail server answered 550 no such user$"):
        send_test(by=billing_admin)


def test_a_test_message_needs_an_address_and_the_permission(server, billing_admin, auditor):
    billing_admin.email = ""
    with pytest.raises(Refused, match="has no e-mail address"):
        send_test(by=billing_admin)
    with pytest.raises(NotPermitted):
        send_test(by=auditor)


def test_the_preview_names_delegates_too(server, settings, capsys):
    settings.MAIL_DELEGATES = True
    statement = make_rendered(project="climate")
    delegate("bob@example.edu", "climate")

    call_command("email_statements", "2025-01", "--dry-run")

    assert capsys.readouterr().out.splitlines() == [
        f"ada@example.edu: {statement.printed_number}",
        f"bob@example.edu: {statement.printed_number}",
    ]


def test_a_revision_goes_to_delegates_anew(server, settings):
    settings.MAIL_DELEGATES = True
    statement = make_rendered(project="climate")
    delegate("bob@example.edu", "climate")
    send()
    Statement.objects.update(state="superseded")
    archive(make_statement(project=statement.project, number=statement.number, revision=2))

    assert send() == Emailed(sent=2)
    assert server.recipients == {"ada@example.edu": 2, "bob@example.edu": 2}
