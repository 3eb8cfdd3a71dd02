"""Reminders before the last day to object, and no more messages a minute than the provider takes."""

import math
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from charges.models import Dispute, ProjectDelegate
from statements.emailing import Emailed, pacing
from statements.models import EmailDelivery, Statement
from tests.make import make_project
from tests.statements.mail_server import archive, make_rendered, make_statement, send, server

pytestmark = pytest.mark.django_db
__all__ = ["server"]
LAST_DAY = date(2025, 2, 20)
SENT = datetime(2025, 2, 5, 6, tzinfo=UTC)


def on(day: int, hour: int = 6) -> time_machine.travel:
    return time_machine.travel(datetime(2025, 2, day, hour, tzinfo=UTC), tick=False)


@pytest.fixture
def reminding(settings):
    settings.REMINDER_DAYS = 3


def make_sent(email="ada@example.edu", **kwargs) -> Statement:
    statement = make_rendered(email, dispute_until=LAST_DAY, **kwargs)
    with on(5):
        send()
    return statement


def reminders() -> list[tuple[str, str]]:
    found = EmailDelivery.objects.filter(kind="reminder").order_by("pk")
    return list(found.values_list("recipient", "status"))


def test_a_reminder_comes_so_many_days_before_the_last_and_once(server, reminding, settings):
    settings.SITE_URL = "https://billing.example.edu"
    statement = make_sent(list_amount="100", due_amount="12.50")

    with on(16):
        assert send() == Emailed(skipped=1)
    with on(17):
        assert send(dry_run=True).preview == [f"ada@example.edu: {statement.printed_number} (reminder)"]
        assert send() == Emailed(sent=1, skipped=1)
    with on(18):
        assert send() == Emailed(skipped=2)

    message = server.accepted[-1][1]
    assert message["Subject"] == "Until February 20, 2025: is your statement of January 2025 right?"
    assert list(message.iter_attachments()) == []
    assert message.get_body(("plain",)).get_content().splitlines()[4:9] == [
        f"engine ({statement.printed_number}), until February 20, 2025",
        "  List price  $100.00",
        "  Discounts   −$87.50",
        "  Amount due  $12.50",
        f"  https://billing.example.edu/statements/{statement.number}/",
    ]


def test_nobody_is_reminded_unless_the_setting_says_so(server):
    make_sent()

    with on(18):
        assert send() == Emailed(skipped=1)


def test_nobody_is_reminded_once_the_last_day_is_over(server, reminding):
    make_sent()

    with on(21):
        assert send() == Emailed(skipped=1)


def test_nobody_is_reminded_who_was_not_sent_the_statement(server, reminding):
    make_sent("unknown@example.edu")

    with on(18):
        send()

    assert reminders() == []


def test_who_is_sent_the_statement_today_is_not_reminded_of_it_today(server, reminding):
    make_rendered(dispute_until=LAST_DAY)

    with on(18):
        assert [send(), send()] == [Emailed(sent=1), Emailed(skipped=1)]
    with on(19):
        assert send() == Emailed(sent=1, skipped=1)


def object_to(statement: Statement, **kwargs) -> None:
    Dispute.objects.create(
        period=statement.period, pi=statement.pi, project=statement.project,
        source=statement.lines.get().source, service_name="HPC Cluster", funding_account=None, **kwargs,
    )  # fmt: skip


@pytest.mark.parametrize("state", ["open", "withdrawn"])
def test_who_has_objected_is_not_reminded(server, reminding, state):
    first, second = make_rendered(dispute_until=LAST_DAY), make_sent(project="second")
    object_to(first, state=state)

    with on(18):
        send()

    (reminder,) = EmailDelivery.objects.filter(kind="reminder")
    assert list(reminder.statements.all()) == [second]


def test_a_reminder_that_waits_is_dropped_once_the_pi_objects(server, reminding):
    statement = make_sent()
    server.answers_to_data["ada"] = "451 try again"
    with on(18):
        send()
    assert reminders() == [("ada@example.edu", "queued")]
    object_to(statement)

    with on(19):
        send()

    assert reminders() == []


def test_a_revision_with_a_new_last_day_is_reminded_of_anew(server, reminding):
    statement = make_sent()
    with on(18):
        send()
    Statement.objects.update(state="superseded")
    archive(make_statement(number=statement.number, revision=2, dispute_until=date(2025, 3, 5)))
    with on(19):
        assert send().sent == 1

    with time_machine.travel(datetime(2025, 3, 3, 6, tzinfo=UTC), tick=False):
        assert send().sent == 1

    assert reminders() == [("ada@example.edu", "sent")] * 2


def test_delegates_are_reminded_of_their_projects(server, reminding, settings):
    settings.MAIL_DELEGATES = True
    ProjectDelegate.objects.create(project=make_project("second"), email="bob@example.edu")
    make_rendered(dispute_until=LAST_DAY)
    second = make_sent(project="second")

    with on(18):
        send()

    assert reminders() == [("ada@example.edu", "sent"), ("bob@example.edu", "sent")]
    assert list(EmailDelivery.objects.get(kind="reminder", recipient="bob@example.edu").statements.all()) == [second]


# Messages a minute


@pytest.fixture
def slept(monkeypatch):
    """Sleeping moves the clock, and nothing waits."""
    slept: list[float] = []
    with time_machine.travel(SENT, tick=False) as clock:

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            clock.shift(seconds)

        monkeypatch.setattr(pacing.time, "sleep", sleep)
        yield slept


def test_a_patient_run_waits_for_the_next_minute(server, settings, slept):
    settings.MAIL_PER_MINUTE = 2
    for number in range(5):
        make_rendered(f"pi{number}@example.edu")

    assert send() == Emailed(sent=5)

    assert slept == [60.0, 60.0]
    claimed = EmailDelivery.objects.order_by("pk").values_list("claimed_at", flat=True)
    assert [(moment - SENT) / timedelta(minutes=1) for moment in claimed] == [0, 0, 1, 1, 2]


def test_another_run_shares_the_minute(server, settings, slept):
    settings.MAIL_PER_MINUTE = 2
    for number in range(3):
        make_rendered(f"pi{number}@example.edu")

    assert [send(limit=1).sent, send().sent] == [1, 2]
    assert slept == [60.0]


def test_a_page_does_not_wait_and_says_what_is_left(server, settings, slept):
    settings.MAIL_PER_MINUTE = 2
    for number in range(5):
        make_rendered(f"pi{number}@example.edu")

    assert send(until=math.inf) == Emailed(sent=2, waiting=3)
    assert slept == []


def test_no_message_is_begun_when_the_time_is_up(server):
    make_rendered()

    assert send(until=0) == Emailed(waiting=1)
    assert send() == Emailed(sent=1)
