"""Mail to PIs, through a real mail server: what they get, who may send it, and when."""

from email import message_from_bytes, policy
from io import BytesIO

import pytest
from django.core.management import CommandError, call_command
from lxml import html
from pypdf import PdfReader

from charges.adjusting import adjust
from charges.models import Charge
from periods import storage
from periods.errors import NotPermitted, Refused
from periods.models import BillingPeriod
from statements.emailing import Emailed, email_statements, retry
from statements.issuing import issue_statements
from statements.models import EmailDelivery, Statement
from statements.rendering import render_statements
from tests.make import make_charge, make_closed, make_fund, make_period, make_pi, make_project, make_statement
from tests.statements.mail_server import archive, make_rendered, send, server

__all__ = ["server"]

pytestmark = pytest.mark.django_db


# What a PI gets


def test_a_pi_gets_one_message_with_all_statements(server, settings):
    settings.REPLY_TO_EMAIL, settings.INSTITUTION_NAME = "help@example.edu", "Ridgefield"
    settings.SITE_URL = "https://billing.example.edu"
    first = make_rendered(project="climate", list_amount="2400", due_amount="0")
    second = make_rendered(project="ocean", list_amount="130", due_amount="12.50", revision=2)

    assert send() == Emailed(sent=1)

    ((recipient, message),) = server.accepted
    delivery = EmailDelivery.objects.get()
    assert recipient == "ada@example.edu"
    assert message["Subject"] == "January 2025: $2,530.00 of research computing, $12.50 due"
    assert (message["To"], message["Reply-To"]) == ("ada@example.edu", "help@example.edu")
    assert message["X-OpenChargeback-Delivery"] == str(delivery.pk)
    assert message["Message-ID"] == delivery.message_id
    assert message.get_body(("plain",)).get_content().splitlines() == [
        "Dear ada,",
        "",
        "Ridgefield, January 2025: You received $2,530.00 of research computing. $12.50 is charged to your fund.",
        "",
        f"climate ({first.printed_number})",
        "  List price  $2,400.00",
        "  Discounts   −$2,400.00",
        "  Amount due  $0.00",
        f"  https://billing.example.edu/statements/{first.number}/",
        "",
        f"ocean ({second.printed_number})",
        "  List price  $130.00",
        "  Discounts   −$117.50",
        "  Amount due  $12.50",
        "  $12.50 is charged to fund NSF-1 by journal.",
        f"  https://billing.example.edu/statements/{second.number}/",
        "",
        "All 2 projects",
        "  List price  $2,530.00",
        "  Discounts   −$2,517.50",
        "  Amount due  $12.50",
        "",
        "Nothing to pay: this is not an invoice. The attached statements have the details.",
        "",
        "If something is wrong, answer this mail.",
        "",
        "Ridgefield",
        "https://billing.example.edu",
    ]
    assert [(part.get_filename(), part.get_content()) for part in message.iter_attachments()] == [
        (f"statement-S-{first.number:06d}-2025-01-climate.pdf", f"%PDF {first.printed_number}".encode()),
        (f"statement-S-{second.number:06d}-r2-2025-01-ocean.pdf", f"%PDF {second.printed_number}".encode()),
    ]


def test_a_mail_and_its_pdf_say_the_same_figures_in_the_same_words(server):
    make_charge(list_amount="100", due_amount="60")
    adjust(
        period=make_period(), kind="credit", pi=make_pi(), project=make_project(), funding_account=make_fund(),
        description="Outage", reason="Down for nine hours", due_amount=-7,
    )  # fmt: skip
    issue_statements(make_closed(make_period()))
    render_statements(make_period())

    send()

    message = server.accepted[0][1]
    text = message.get_body(("plain",)).get_content()
    (attached,) = message.iter_attachments()
    printed = PdfReader(BytesIO(attached.get_content())).pages[0].extract_text().splitlines()
    start = printed.index("List price")
    assert [line.strip(" −=+") for line in printed[start : start + 6]] == [
        "List price", "$100.00", "Discounts and adjustments", "$47.00", "Amount due", "$53.00",
    ]  # fmt: skip
    assert [line for line in text.splitlines() if line.startswith("  ") and "$" in line] == [
        "  List price                 $100.00",
        "  Discounts and adjustments  −$47.00",
        "  Amount due                 $53.00",
        "  $53.00 is charged to fund NSF-1 by journal.",
    ]
    said = html.fromstring(message.get_body(("html",)).get_content())
    assert [[cell.text for cell in row] for row in said.xpath("//table[caption]//tr")] == [
        ["List price", "$100.00"], ["Discounts and adjustments", "−$47.00"], ["Amount due", "$53.00"],
    ]  # fmt: skip
    for body in (text, said.text_content()):
        assert body.count("You received $100.00 of research computing. $53.00 is charged to your fund.") == 1


def test_the_html_part_escapes_names(server):
    make_rendered(pi_name="<b>Ada</b>")

    send()

    html = server.accepted[0][1].get_body(("html",)).get_content()
    assert html.count("Dear &lt;b&gt;Ada&lt;/b&gt;,") == 1
    assert "<b>Ada" not in html


def test_the_institutions_own_words_come_first(server, home):
    folder = home / "templates/emails"
    folder.mkdir(parents=True)
    (folder / "statement-subject.txt").write_text("Ours: {{ month }}\n")
    make_rendered()

    send()

    assert server.accepted[0][1]["Subject"] == "Ours: 2025-01"


@pytest.mark.parametrize(
    "name",
    ["a\r\nBcc: eve@evil.test", "a\nBcc: eve@evil.test", "a\u2028Bcc: eve@evil.test", "a\x1b\x0bBcc: eve@evil.test"],
)
def test_a_name_cannot_add_a_header_or_a_recipient(server, name):
    make_rendered(project=name, pi_name=name)

    send()

    ((recipient, message),) = server.accepted
    assert recipient == "ada@example.edu"
    assert "Bcc" not in message
    subject = "January 2025: $100.00 of research computing, nothing due (a Bcc: eve@evil.test)"
    assert " ".join(message["Subject"].split()) == subject


def test_an_address_that_is_none_is_told_of_and_left(server):
    address = "ada@example.edu\r\nrcpt to:<eve@evil.test>"
    make_rendered(address)
    make_rendered("bob@example.edu")

    done = send()

    assert (done.sent, done.waiting) == (1, 1)
    assert done.problems == [f"{address} (queued): {address!r} is no e-mail address."]
    assert server.recipients == {"bob@example.edu": 1}


def test_mail_goes_to_files_by_default(settings):
    settings.EMAIL_BACKEND = "ocb_project.file_mail.EmailBackend"
    make_rendered("ada@example.edu")
    make_rendered("bob@example.edu")

    assert send() == Emailed(sent=2)

    files = sorted(settings.EMAIL_FILE_PATH.iterdir())
    messages = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
    assert [file.suffix for file in files] == [".eml", ".eml"]
    assert sorted(message["To"] for message in messages) == ["ada@example.edu", "bob@example.edu"]
    assert [len(list(message.iter_attachments())) for message in messages] == [1, 1]


# Who may, and when


def test_sending_and_retrying_need_their_permissions(server, auditor):
    make_rendered("unknown@example.edu")
    with pytest.raises(NotPermitted):
        send(by=auditor)
    send()
    with pytest.raises(NotPermitted):
        retry(EmailDelivery.objects.get(), by=auditor, reason="Because I would like to")


def test_nothing_is_sent_before_all_pdfs_are_there(server):
    make_rendered()
    make_statement(project=make_project("another"))

    with pytest.raises(Refused) as refused:
        send()

    assert str(refused.value) == "1 statement of January 2025 has no PDF: run render_statements 2025-01 first."
    assert not EmailDelivery.objects.exists()


def test_a_month_without_statements_is_refused(server):
    make_closed(make_period())

    with pytest.raises(
        Refused, match=r"^No statement of January 2025 is issued: run issue_statements 2025-01 first\.$"
    ):
        send()


def test_an_open_month_is_refused(server):
    BillingPeriod.objects.filter(pk=make_rendered().period_id).update(state="open")

    with pytest.raises(
        Refused, match=r"^January 2025 is open: close it and issue its statements before they are mailed\.$"
    ):
        send()


def test_stale_statements_are_not_mailed(server, capsys):
    stale, fresh = make_rendered("ada@example.edu"), make_rendered("bob@example.edu")
    make_charge(pi=stale.pi, project=stale.project, due_amount="3")
    problem = "ada, engine (not sent): the statement is missing or out of date: issue statements first."

    assert send(dry_run=True) == Emailed(preview=[f"bob@example.edu: {fresh.printed_number}"], problems=[problem])
    with pytest.raises(CommandError) as error:
        call_command("email_statements", "2025-01")

    assert str(error.value) == problem
    assert capsys.readouterr().out.splitlines()[-1] == "1 sent, 0 sent before, 0 waiting."
    assert server.recipients == {"bob@example.edu": 1}


# Statements that change while a run is under way: the progress comes between two messages


@pytest.mark.parametrize("change", ["revise", "revise without a PDF", "void"])
def test_what_changed_during_the_run_waits_for_the_next(server, change):
    make_rendered("ada@example.edu")
    last = make_rendered("bob@example.edu")

    def change_last(done: int, _: int) -> None:
        if done > 1:
            return
        Statement.objects.filter(pk=last.pk).update(state="void" if change == "void" else "superseded")
        if change != "void":
            revised = make_statement(pi=last.pi, number=last.number, revision=2)
            if change == "revise":
                archive(revised)

    assert send(progress=change_last) == Emailed(sent=1, waiting=1)
    assert server.recipients == {"ada@example.edu": 1}

    if change == "void":
        Charge.objects.filter(pi=last.pi).update(review_status="excluded")
    if change == "revise without a PDF":
        archive(Statement.objects.get(number=last.number, revision=2))
    send()
    assert server.recipients == {"ada@example.edu": 1, **({} if change == "void" else {"bob@example.edu": 1})}
    assert EmailDelivery.objects.filter(status="queued").count() == 0


def test_a_pdf_that_is_not_what_was_archived_is_not_sent(server):
    statement = make_rendered()
    path = statement.document.path
    storage.locate(path).write_bytes(b"%PDF forged")

    assert send() == Emailed(
        waiting=1,
        problems=[f"ada@example.edu (queued): The Statement PDF {path} is missing or not what was archived."],
    )
    assert server.recipients == {}


def test_a_broken_template_sends_nothing_and_loses_nothing(server, home):
    folder = home / "templates/emails"
    folder.mkdir(parents=True)
    (folder / "statement-body.txt").write_text("{{ nobody }}")
    make_rendered()

    assert send().waiting == 1
    (folder / "statement-body.txt").unlink()
    assert send() == Emailed(sent=1)
    assert EmailDelivery.objects.get().error == ""


def test_dry_run_says_who_would_get_what_and_changes_nothing(server, capsys):
    first, second, third = (make_rendered(project=name) for name in ("a", "b", "c"))
    other = make_rendered("bob@example.edu")
    numbers = ", ".join(statement.printed_number for statement in (first, second, third))

    call_command("email_statements", "2025-01", "--dry-run")

    assert sorted(capsys.readouterr().out.splitlines()) == [
        f"ada@example.edu: {numbers}",
        f"bob@example.edu: {other.printed_number}",
    ]
    assert not EmailDelivery.objects.exists()


def test_limit_sends_so_many_and_the_next_run_the_others(server):
    for name in ("ada", "bob", "eve"):
        make_rendered(f"{name}@example.edu")

    assert [send(limit=2), send()] == [Emailed(sent=2, waiting=1), Emailed(sent=1, skipped=2)]


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_below_one_is_bad_usage(limit):
    make_period()

    with pytest.raises(CommandError) as error:
        call_command("email_statements", "2025-01", f"--limit={limit}")

    assert str(error.value) == f"Error: argument --limit: {limit!r} is no number of messages: give 1 or more."


def test_the_command_fails_while_a_message_needs_a_person(server, capsys):
    make_rendered("unknown@example.edu")
    make_rendered("ada@example.edu")

    with pytest.raises(CommandError) as error:
        call_command("email_statements", "2025-01")

    assert str(error.value) == "unknown@example.edu (failed): the mail server answered 550 no such user"
    assert capsys.readouterr().out.splitlines()[-1] == "1 sent, 0 sent before, 0 waiting."


@pytest.mark.parametrize("messages", [1, 3])
def test_a_dry_run_takes_as_many_queries_for_any_number_of_messages(django_assert_num_queries, messages):
    for number in range(messages):
        make_rendered(f"pi{number}@example.edu")
    period = make_period()

    with django_assert_num_queries(15):
        assert len(email_statements(period, dry_run=True).preview) == messages
