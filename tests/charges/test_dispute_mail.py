"""Both sides of a dispute are told of it by mail, and no mail undoes a decision."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from charges.disputing.objecting import answer, deny, uphold, write_to_staff
from charges.models import Dispute, ProjectDelegate
from tests.charges.disputes import OBJECTION, YES, dispute, of_charge, of_line
from tests.make import make_charge

__all__ = ["dispute"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def posted(django_capture_on_commit_callbacks, mailoutbox, settings):
    """What is mailed once a stage is committed: to whom, under which subject, and the whole text."""
    settings.SITE_URL, settings.REPLY_TO_EMAIL = "https://billing.example.edu", "office@example.edu"

    def run(stage: Any) -> list[tuple[list[str], str, str]]:
        mailoutbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            stage()
            assert mailoutbox == []
        return [(mail.to, mail.subject, mail.body) for mail in mailoutbox]

    return run


def test_staff_are_told_of_a_new_dispute_and_of_messages(posted, outsider: User) -> None:
    charge = make_charge(list_amount="100", due_amount="50", resource_name="gpu-7\nBcc: x@example.org")

    ((to, subject, body),) = posted(lambda: of_charge(charge, by=outsider))

    dispute = Dispute.objects.get()
    assert (to, subject) == (["office@example.edu"], f"Dispute {dispute.pk} of ada, January 2025")
    assert "List price $100.00, amount due $50.00." in body
    assert OBJECTION in body
    assert f"https://billing.example.edu/admin/charges/dispute/{dispute.pk}/change/" in body
    assert len(posted(lambda: write_to_staff(dispute, text="node-2", by=outsider))) == 1


def test_the_pi_is_told_of_messages_and_of_the_outcome(posted, dispute: Dispute) -> None:
    ((to, subject, body),) = posted(lambda: answer(dispute, text="Which machine is it then?"))
    assert (to, subject) == (["ada@example.edu"], "Your dispute of January 2025: a message")
    assert "Which machine is it then?" in body

    ((_, subject, body),) = posted(lambda: uphold(dispute, ground="usage", amount=Decimal(20), text=YES))
    assert subject == "Your dispute of January 2025: upheld"
    assert "List price  −$40.00" in body
    assert "Amount due  −$20.00" in body
    assert f"https://billing.example.edu/disputes/{dispute.pk}/" in body

    other = of_line()
    ((_, subject, body),) = posted(lambda: deny(other, text="Your group started it."))
    assert subject == "Your dispute of January 2025: denied"
    assert "the amount stays as it is" in body


def test_a_delegate_who_opened_it_is_told_too_while_they_are_one(posted, dispute: Dispute, outsider: User) -> None:
    delegate = ProjectDelegate.objects.create(project=dispute.project, email=outsider.email)
    ((to, _, _),) = posted(lambda: answer(dispute, text="Which machine is it then?"))
    assert to == ["ada@example.edu", "outsider@example.edu"]

    delegate.delete()
    ((to, _, _),) = posted(lambda: answer(dispute, text="Which machine is it then?"))
    assert to == ["ada@example.edu"]


def test_a_mail_server_that_is_down_undoes_no_decision(posted, dispute: Dispute, settings, caplog) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1", 9,
    )  # fmt: skip

    assert posted(lambda: deny(dispute, text="Your group started it.")) == []

    assert Dispute.objects.get().state == "denied"
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_broken_template_undoes_no_decision_either(posted, dispute: Dispute, settings, home, caplog) -> None:
    (home / "templates" / "disputes").mkdir(parents=True)
    (home / "templates" / "disputes" / "pi-body.txt").write_text("{% nonsense %}")
    engine = {**settings.TEMPLATES[0], "DIRS": [home / "templates", *settings.TEMPLATES[0]["DIRS"]]}
    settings.TEMPLATES = [engine]

    assert posted(lambda: deny(dispute, text="Your group started it.")) == []

    assert Dispute.objects.get().state == "denied"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
