"""Whatever a mail server answers, and however often a run is repeated, nobody gets the same message twice."""

import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import requests
import time_machine
from anymail.exceptions import AnymailAPIError
from django.core.mail.backends.smtp import EmailBackend
from django.utils import timezone
from requests import Response

from periods.errors import Refused, WrongState
from periods.models import AuditEntry
from statements.emailing import Emailed, retry
from statements.emailing.outcomes import Outcome, outcome_of
from statements.models import EmailDelivery, Statement
from tests.make import make_statement
from tests.statements.mail_server import archive, make_rendered, send, server, statuses

__all__ = ["server"]

pytestmark = pytest.mark.django_db


Status = EmailDelivery.Status


# What the server may answer


def test_a_refusal_fails_and_is_not_retried(server):
    for name in ("unknown", "spam", "ada"):
        make_rendered(f"{name}@example.edu")

    assert send() == Emailed(
        sent=1,
        failed=2,
        problems=[
            "spam@example.edu (failed): the mail server answered 554 rejected",
            "unknown@example.edu (failed): the mail server answered 550 no such user",
        ],
    )
    assert send().sent == 0
    assert statuses() == {"unknown@example.edu": "failed", "spam@example.edu": "failed", "ada@example.edu": "sent"}
    assert server.recipients == {"ada@example.edu": 1}


@pytest.mark.parametrize(("name", "answer"), [("full", "452 mailbox full, try later"), ("busy", "451 try again")])
def test_a_temporary_failure_is_tried_five_times_ever_later(server, name, answer):
    make_rendered(f"{name}@example.edu")
    sentence = f"the mail server answered {answer}"
    waiting = Emailed(waiting=1, problems=[f"{name}@example.edu (queued): {sentence}"])
    start = datetime(2025, 2, 5, 6, tzinfo=UTC)

    with time_machine.travel(start, tick=False) as clock:
        for minutes, attempts in [(0, 1), (4, 1), (5, 2), (34, 2), (35, 3), (155, 4), (634, 4)]:
            clock.move_to(start + timedelta(minutes=minutes))
            assert send() == waiting
            assert EmailDelivery.objects.get().attempts == attempts
        clock.move_to(start + timedelta(minutes=635))
        assert send() == Emailed(failed=1, problems=[f"{name}@example.edu (failed): {sentence}"])


def test_a_server_that_hangs_up_leaves_it_unclear(server):
    make_rendered("crash@example.edu")
    make_rendered("ada@example.edu")

    done = send()

    assert (done.sent, done.unclear) == (1, 1)
    assert done.problems == [
        "crash@example.edu (unclear: interrupted while sending): SMTPServerDisconnected: Connection unexpectedly closed"
    ]
    assert (send().sent, send().unclear) == (0, 1)
    assert EmailDelivery.objects.get(recipient="crash@example.edu").attempts == 1


def test_an_absent_server_claims_nothing(settings):
    settings.EMAIL_BACKEND = f"{EmailBackend.__module__}.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    make_rendered()

    with pytest.raises(Refused, match=r"^The mail server cannot be used \(.*\)\. What is not sent stays queued"):
        send()

    assert EmailDelivery.objects.get().attempts == 0
    assert statuses() == {"ada@example.edu": "queued"}


def provider_says(status_code: int) -> AnymailAPIError:
    response = Response()
    response.status_code = status_code
    return AnymailAPIError("refused", status_code=status_code, response=response)


def no_connection() -> AnymailAPIError:
    """As anymail's backends raise it; nobody listens at port 9."""
    try:
        requests.post("http://127.0.0.1:9/", timeout=5)
    except requests.RequestException as cause:
        error = AnymailAPIError("Error posting to http://127.0.0.1:9/")
        error.__cause__ = cause
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (provider_says(400), Status.FAILED),
        (provider_says(429), Status.QUEUED),
        (provider_says(503), Status.QUEUED),
        (provider_says(502), Status.UNCLEAR),
        (AnymailAPIError(), Status.UNCLEAR),
        (no_connection(), Status.QUEUED),
        (TimeoutError(), Status.UNCLEAR),
        (ValueError("bad header"), Status.FAILED),
    ],
)
def test_only_a_clear_answer_is_an_answer(error, status):
    assert outcome_of(error).status == status


def test_an_error_without_words_is_named():
    assert outcome_of(TimeoutError()) == Outcome(Status.UNCLEAR, "TimeoutError")


def test_a_providers_own_message_id_is_kept(settings, mailoutbox):
    settings.EMAIL_BACKEND = "anymail.backends.test.EmailBackend"
    make_rendered()

    assert send() == Emailed(sent=1)

    assert EmailDelivery.objects.get().message_id == "0"


# Never twice


def test_the_same_content_is_never_sent_twice(server):
    make_rendered()

    assert [send(), send()] == [Emailed(sent=1), Emailed(skipped=1)]
    assert server.recipients == {"ada@example.edu": 1}


def test_a_new_address_alone_is_no_new_content(server):
    statement = make_rendered()
    send()
    statement.pi.email = "ada@new.example.edu"
    statement.pi.save()

    assert send() == Emailed(skipped=1)


def test_a_revision_is_new_content(server):
    statement = make_rendered()
    send()
    Statement.objects.update(state="superseded")
    archive(make_statement(number=statement.number, revision=2))

    assert send() == Emailed(sent=1)
    assert server.recipients == {"ada@example.edu": 2}


def test_a_queued_message_whose_statements_were_revised_is_dropped(server):
    statement = make_rendered("full@example.edu")
    send()
    Statement.objects.update(state="superseded")
    revised = make_statement(pi=statement.pi, number=statement.number, revision=2)
    archive(revised)

    send()

    assert list(EmailDelivery.objects.get().statements.all()) == [revised]
    assert AuditEntry.objects.get(action="drop").rows == 1


def test_a_row_left_by_a_dead_run_is_unclear(server):
    make_rendered()
    send(limit=0)
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    EmailDelivery.objects.update(
        status="sending", claimed_at=timezone.now(), claimed_by=f"{socket.gethostname()}:{int(gone.stdout)}"
    )

    assert (send().unclear, send().sent) == (1, 0)
    assert server.recipients == {}


@pytest.mark.parametrize(("minutes", "status"), [(9, "sending"), (11, "unclear")])
def test_a_row_of_another_machine_is_unclear_after_ten_minutes(server, minutes, status):
    make_rendered()
    send(limit=0)
    EmailDelivery.objects.update(
        status="sending", claimed_at=timezone.now() - timedelta(minutes=minutes), claimed_by="elsewhere:1"
    )

    send()

    assert statuses() == {"ada@example.edu": status}
    assert server.recipients == {}


def test_retry_sends_again_what_a_person_decided_on(server, billing_admin):
    make_rendered("crash@example.edu")
    send()
    delivery = EmailDelivery.objects.get()
    delivery.pi.email = "bob@example.edu"
    delivery.pi.save()

    retry(delivery, by=billing_admin, reason="Asked by phone: nothing came")

    assert send() == Emailed(sent=1)
    assert server.recipients == {"bob@example.edu": 1}
    entry = AuditEntry.objects.get(action="retry")
    assert (entry.by, entry.before["status"], entry.reason) == (
        billing_admin,
        "unclear",
        "Asked by phone: nothing came",
    )


def test_retry_refused_of_what_was_sent(server, billing_admin):
    make_rendered()
    send()

    with pytest.raises(WrongState, match="is sent: there is nothing to retry"):
        retry(EmailDelivery.objects.get(), by=billing_admin, reason="Please send it once more")
