"""Finance is told the new head once the month is committed: never before, never twice, and no mail undoes a seal."""

from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import transaction

from statements.archiving import finalize_period
from statements.models import Seal
from tests.statements.mail_server import Server, server
from tests.statements.sealed import make_ready

__all__ = ["server"]

TO = ["finance@example.edu", "audit@example.edu"]


@pytest.fixture(autouse=True)
def _recipients(settings: Any) -> None:
    settings.SEAL_RECIPIENTS = TO


@pytest.mark.django_db
def test_finance_gets_the_head_and_the_figures(django_capture_on_commit_callbacks: Any, billing_admin: Any) -> None:
    period = make_ready()
    with django_capture_on_commit_callbacks(execute=True):
        seal = finalize_period(period, by=billing_admin)

    (message,) = mail.outbox
    assert (message.to, message.subject) == (TO, "January 2025 is finalized: seal 1")
    assert message.body.splitlines()[2:5] == [
        f"Seal 1 of {seal.sealed_at:%Y-%m-%d %H:%M}, by admin",
        f"Head of the chain: {seal.head}",
        "List price 100.00, discount -87.50, amount due 12.50 USD",
    ]
    assert message.body.splitlines()[-1] == f"http://127.0.0.1:8000/admin/statements/seal/{seal.pk}/change/"


@pytest.mark.django_db(transaction=True)
def test_nothing_is_mailed_before_the_commit_or_for_what_is_rolled_back() -> None:
    period = make_ready()
    with transaction.atomic():
        finalize_period(period)
        assert mail.outbox == []
        transaction.set_rollback(True)

    assert (mail.outbox, Seal.objects.count()) == ([], 0)


@pytest.mark.django_db(transaction=True)
def test_running_again_mails_nothing_twice() -> None:
    make_ready()
    for _ in range(2):
        call_command("finalize_period", "2025-01", stdout=StringIO())

    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("refused", ["unknown@example.edu", "full@example.edu", "crash@example.edu"])
def test_mail_server_that_refuses_undoes_no_seal(settings: Any, server: Server, refused: str) -> None:
    settings.SEAL_RECIPIENTS = [refused]
    period = make_ready()

    finalize_period(period)

    period.refresh_from_db()
    assert (period.state, Seal.objects.count(), server.accepted) == ("finalized", 1, [])


@pytest.mark.django_db(transaction=True)
def test_mail_server_that_is_down_undoes_no_seal(settings: Any) -> None:
    period = make_ready()
    settings.EMAIL_BACKEND, settings.EMAIL_PORT = "django.core.mail.backends.smtp.EmailBackend", 1

    finalize_period(period)

    period.refresh_from_db()
    assert (period.state, Seal.objects.count(), mail.outbox) == ("finalized", 1, [])
