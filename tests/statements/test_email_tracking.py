"""What providers report: signed, in any order, more than once, and about messages that are not ours."""

import hashlib
import hmac
import importlib
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from anymail.signals import AnymailTrackingEvent
from django.urls import clear_url_caches
from django.utils import timezone

from ocb_project import checks, urls, webhooks
from periods.blockers import checklist
from periods.errors import NotPermitted, Refused, WrongState
from periods.models import AuditEntry
from statements.emailing import Emailed, clear, retry
from statements.emailing.tracking import receive
from statements.models import EmailDelivery, EmailEvent, Suppression
from tests.make import make_period
from tests.statements.mail_server import make_rendered, send

pytestmark = pytest.mark.django_db
SECRET = "postmark:a-secret-of-some-length"
SIGNING_KEY = "key-of-the-webhook"
AT = datetime(2025, 2, 5, 6, 30, tzinfo=UTC)


@pytest.fixture
def provider(settings):
    """Mail goes through anymail's test backend, and webhooks come as from `name`."""

    def use(name: str, **keys: str) -> None:
        settings.EMAIL_BACKEND = f"anymail.backends.{name}.EmailBackend"
        settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET, **keys}
        importlib.reload(urls)
        clear_url_caches()
        settings.EMAIL_BACKEND = "anymail.backends.test.EmailBackend"

    yield use
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    importlib.reload(urls)
    clear_url_caches()


@pytest.fixture
def delivery(settings, mailoutbox) -> EmailDelivery:
    settings.EMAIL_BACKEND = "anymail.backends.test.EmailBackend"
    make_rendered()
    assert send() == Emailed(sent=1)
    return EmailDelivery.objects.get()


def reference(delivery: EmailDelivery) -> dict[str, str]:
    return {"delivery": f"{delivery.pk}.{delivery.sendings}.{delivery.content_key[:16]}"}


def post(client, path: str, payload: object, *, secret: str = SECRET):
    authorization = f"Basic {b64encode(secret.encode()).decode()}"
    return client.post(path, json.dumps(payload), content_type="application/json", HTTP_AUTHORIZATION=authorization)


def tell(delivery: EmailDelivery, event_type: str, *, minute: int = 0, **kwargs) -> None:
    values = {
        "event_type": event_type,
        "timestamp": AT + timedelta(minutes=minute),
        "metadata": reference(delivery),
        "recipient": delivery.recipient,
        "message_id": "m-1",
        **kwargs,
    }
    receive(None, AnymailTrackingEvent(**values), "Postmark")


def status(delivery: EmailDelivery) -> str:
    return EmailDelivery.objects.get(pk=delivery.pk).status


# Webhooks, as the providers send them


def postmark_bounce(delivery: EmailDelivery) -> dict[str, object]:
    """From Postmark's documentation."""
    return {
        "RecordType": "Bounce", "ID": 4323372036854775807, "Type": "HardBounce", "TypeCode": 1,
        "Name": "Hard bounce", "Tag": "", "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Metadata": reference(delivery), "ServerID": 23, "MessageStream": "outbound",
        "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
        "Details": "smtp;550 5.1.1 No such user", "Email": "ada@example.edu", "From": "billing@example.edu",
        "BouncedAt": "2025-02-05T06:31:00Z", "DumpAvailable": True, "Inactive": True, "CanActivate": True,
        "Subject": "January 2025",
    }  # fmt: skip


def test_a_bounce_that_postmark_reports(client, provider, delivery):
    provider("postmark")

    answers = [post(client, "/anymail/postmark/tracking/", postmark_bounce(delivery)).status_code for _ in range(2)]

    assert answers == [200, 200]
    assert status(delivery) == "bounced"
    event = EmailEvent.objects.get()
    assert (event.provider, event.event_type, event.recipient) == ("Postmark", "bounced", "ada@example.edu")
    assert event.occurred_at == datetime(2025, 2, 5, 6, 31, tzinfo=UTC)
    assert "550 5.1.1 No such user" in event.words
    assert Suppression.objects.get().address == "ada@example.edu"


@pytest.mark.parametrize("secret", ["postmark:wrong", "nobody:a-secret-of-some-length", ":"])
def test_a_report_without_the_secret_is_refused(client, provider, delivery, secret):
    provider("postmark")

    answer = post(client, "/anymail/postmark/tracking/", postmark_bounce(delivery), secret=secret)

    assert (answer.status_code, status(delivery)) == (400, "sent")
    assert not EmailEvent.objects.exists()


def mailgun(delivery: EmailDelivery, event: str, *, key: str = SIGNING_KEY, **data: object) -> dict[str, object]:
    """From Mailgun's documentation, with a signature made as they make it."""
    token, timestamp = "06c96bafc3f42a66b9edd546347a2fe18dc23461fe80dc52f0", "1738737060"
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {
        "signature": {"token": token, "timestamp": timestamp, "signature": signature},
        "event-data": {
            "event": event,
            "id": "CPgfbmQMTCKtHW6uIWtuVe",
            "timestamp": 1738737060.520783,
            "recipient": "ada@example.edu",
            "message": {"headers": {"message-id": "20250205063100.1@mg.example.edu"}},
            "user-variables": reference(delivery),
            "delivery-status": {"code": 250, "message": "OK", "description": ""},
            **data,
        },
    }


def test_a_delivery_that_mailgun_reports(client, provider, delivery):
    provider("mailgun", MAILGUN_API_KEY="key", MAILGUN_WEBHOOK_SIGNING_KEY=SIGNING_KEY)

    answer = post(client, "/anymail/mailgun/tracking/", mailgun(delivery, "delivered"))

    assert (answer.status_code, status(delivery)) == (200, "delivered")
    assert EmailEvent.objects.get().occurred_at == datetime.fromtimestamp(1738737060.520783, tz=UTC)


def test_a_temporary_failure_at_mailgun_is_no_bounce(client, provider, delivery):
    provider("mailgun", MAILGUN_API_KEY="key", MAILGUN_WEBHOOK_SIGNING_KEY=SIGNING_KEY)

    post(client, "/anymail/mailgun/tracking/", mailgun(delivery, "failed", severity="temporary", reason="generic"))
    assert (EmailEvent.objects.get().event_type, status(delivery)) == ("deferred", "sent")
    post(client, "/anymail/mailgun/tracking/", mailgun(delivery, "failed", severity="permanent", reason="bounce"))
    assert status(delivery) == "bounced"


def test_a_wrong_signature_is_refused(client, provider, delivery):
    provider("mailgun", MAILGUN_API_KEY="key", MAILGUN_WEBHOOK_SIGNING_KEY=SIGNING_KEY)

    answer = post(client, "/anymail/mailgun/tracking/", mailgun(delivery, "complained", key="another"))

    assert (answer.status_code, status(delivery)) == (400, "sent")


def test_only_the_provider_in_use_is_heard_and_only_with_a_secret(client, provider, delivery, settings):
    provider("mailgun", MAILGUN_API_KEY="key")
    assert post(client, "/anymail/postmark/tracking/", postmark_bounce(delivery)).status_code == 404

    provider("postmark", WEBHOOK_SECRET="")
    assert post(client, "/anymail/postmark/tracking/", postmark_bounce(delivery)).status_code == 404
    assert status(delivery) == "sent"


@pytest.mark.parametrize(
    ("backend", "secret", "errors"),
    [
        ("anymail.backends.postmark.EmailBackend", "", ["openchargeback.E004"]),
        ("anymail.backends.postmark.EmailBackend", SECRET, []),
        ("anymail.backends.scaleway.EmailBackend", "", []),  # which reports nothing
        ("django.core.mail.backends.smtp.EmailBackend", "", []),
    ],
)
def test_a_provider_without_a_secret_is_an_error(settings, backend, secret, errors):
    settings.EMAIL_BACKEND, settings.ANYMAIL = backend, {"WEBHOOK_SECRET": secret}

    assert [error.id for error in checks.webhooks_are_authenticated()] == errors


def test_every_provider_that_reports_has_one_address(settings):
    found = {}
    for name in ("amazon_ses", "brevo", "mailgun", "mandrill", "postmark", "resend", "sendgrid", "sparkpost"):
        settings.EMAIL_BACKEND = f"anymail.backends.{name}.EmailBackend"
        found[name] = [str(pattern.pattern) for pattern in webhooks.patterns()]

    assert found.pop("mandrill") == ["mandrill/", "mandrill/tracking/"]
    assert found == {name: [f"{name}/tracking/"] for name in found}


# In any order


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (["delivered"], "delivered"),
        (["queued", "deferred"], "sent"),
        (["bounced", "delivered"], "bounced"),
        (["delivered", "bounced"], "bounced"),
        (["complained", "delivered"], "complained"),
        (["delivered", "sent"], "delivered"),
        (["rejected"], "failed"),
        (["opened", "clicked"], "sent"),
    ],
)
def test_the_strongest_report_counts_in_whatever_order_they_come(delivery, told, expected):
    for minute, event_type in enumerate(told):
        tell(delivery, event_type, minute=minute)

    assert status(delivery) == expected
    assert send().sent == 0


def test_whether_mail_was_opened_is_not_kept(delivery):
    tell(delivery, "opened")

    assert not EmailEvent.objects.exists()


def test_an_event_told_twice_is_kept_once(delivery):
    tell(delivery, "deferred", event_id="1")
    tell(delivery, "deferred", event_id="2")
    tell(delivery, "deferred", minute=5)

    assert EmailEvent.objects.count() == 2


@pytest.mark.parametrize(
    "metadata", [{}, {"delivery": "x"}, {"delivery": "99999.1.abc"}, {"delivery": "1.1."}, {"delivery": "²"}, None]
)
def test_a_message_that_is_not_ours_is_passed_over(delivery, metadata):
    tell(delivery, "bounced", metadata=metadata, message_id="somebody else's")

    assert status(delivery) == "sent"
    assert not EmailEvent.objects.exists()


def test_a_delivery_of_another_installation_with_the_same_number_is_not_ours(delivery):
    tell(delivery, "bounced", metadata={"delivery": f"{delivery.pk}.1.{'0' * 16}"})

    assert status(delivery) == "sent"


def test_without_metadata_the_providers_id_tells(delivery):
    tell(delivery, "delivered", metadata={}, message_id=delivery.message_id)

    assert status(delivery) == "delivered"


@pytest.fixture
def told_while_sending(settings, mailoutbox, monkeypatch):
    """The provider reports before its own answer is stored."""
    settings.EMAIL_BACKEND = "anymail.backends.test.EmailBackend"
    make_rendered()
    from anymail.backends import test as backend  # noqa: PLC0415

    def tell_at_once(metadata: dict[str, str] | None) -> None:
        answer = backend.EmailBackend.post_to_esp

        def post_to_esp(self, payload, message):
            sending = EmailDelivery.objects.get()
            assert sending.status == "sending"
            tell(sending, "bounced", metadata=message.metadata if metadata is None else metadata, message_id="0")
            return answer(self, payload, message)

        monkeypatch.setattr(backend.EmailBackend, "post_to_esp", post_to_esp)

    return tell_at_once


@pytest.mark.parametrize("metadata", [None, {}])
def test_a_report_that_comes_before_the_message_is_stored_as_sent(told_while_sending, metadata):
    told_while_sending(metadata)

    send()

    assert EmailDelivery.objects.get().status == "bounced"
    assert EmailEvent.objects.get().delivery == EmailDelivery.objects.get()


def test_a_report_clears_up_what_a_crash_left_unclear(delivery):
    EmailDelivery.objects.update(status="unclear", error="The run that was sending it ended.")

    tell(delivery, "delivered")

    assert EmailDelivery.objects.values_list("status", "error").get() == ("delivered", "")


def test_what_was_put_off_and_yet_delivered_is_not_sent_again(delivery):
    EmailDelivery.objects.update(status="queued", next_attempt_at=timezone.now())

    tell(delivery, "delivered")

    assert (status(delivery), send()) == ("delivered", Emailed(skipped=1))


def test_a_late_report_of_an_earlier_attempt_says_nothing_of_the_next(delivery, billing_admin):
    tell(delivery, "bounced")
    clear(Suppression.objects.get(), reason="Asked by phone: the mailbox was full", by=billing_admin)
    retry(delivery, reason="The mailbox has room again", by=billing_admin)
    assert send() == Emailed(sent=1)

    tell(delivery, "bounced", minute=7)  # about the first attempt

    assert status(delivery) == "sent"


# Suppression


def test_a_suppressed_address_gets_no_mail_until_a_person_allows_it(delivery, billing_admin, mailoutbox):
    tell(delivery, "bounced", description="550 no such user.")
    make_rendered(project="second")
    since = timezone.localdate()
    problem = (
        f"ada@example.edu (queued): ada@example.edu gets no mail since {since}: 550 no such user. "
        "Change the PI's address, or allow mail to this one again."
    )

    assert send() == Emailed(waiting=1, problems=[problem])
    assert len(mailoutbox) == 1

    clear(Suppression.objects.get(), reason="Asked by phone: the mailbox was full", by=billing_admin)

    assert send() == Emailed(sent=1)
    entry = AuditEntry.objects.get(action="allow")
    assert (entry.by, entry.reason) == (billing_admin, "Asked by phone: the mailbox was full")


def test_what_bounced_is_queued_again_only_once_the_address_is_allowed_or_another(delivery, billing_admin):
    tell(delivery, "bounced", description="550 no such user")
    with pytest.raises(Refused, match="gets no mail since"):
        retry(delivery, reason="The PI asked for it", by=billing_admin)

    delivery.pi.email = "ada@new.example.edu"
    delivery.pi.save()
    retry(delivery, reason="The PI asked for it", by=billing_admin)

    assert send() == Emailed(sent=1)
    assert EmailDelivery.objects.get().recipient == "ada@new.example.edu"


def test_a_bounce_is_counted_and_named_by_every_run(delivery):
    tell(delivery, "bounced", description="550 no such user")

    assert send() == Emailed(bounced=1, problems=["ada@example.edu (bounced): 550 no such user"])


def test_bounces_and_suppressed_addresses_warn_before_closing_and_finalizing(delivery):
    tell(delivery, "complained")

    address = "1 PI gets no mail: the address bounced or complained. Change it, or allow mail to it again."
    spam = "1 e-mail was marked as spam: look into it, then queue it again."
    close, finalize = (
        [blocker.sentence for blocker in checklist(make_period(), step) if blocker.is_warning]
        for step in ("close", "finalize")
    )
    assert address in close
    assert [sentence for sentence in finalize if sentence in {spam, address}] == [spam, address]


def test_clearing_needs_a_permission_and_a_reason_and_something_to_clear(delivery, auditor, billing_admin):
    tell(delivery, "bounced")
    suppression = Suppression.objects.get()
    with pytest.raises(NotPermitted):
        clear(suppression, reason="I would like to", by=auditor)
    with pytest.raises(Refused, match="at least 10 characters"):
        clear(suppression, reason="so", by=billing_admin)
    clear(suppression, reason="Asked by phone", by=billing_admin)
    with pytest.raises(WrongState, match="is not suppressed"):
        clear(suppression, reason="Asked by phone", by=billing_admin)


def test_an_address_is_suppressed_once_and_may_be_again(delivery, billing_admin):
    tell(delivery, "bounced")
    tell(delivery, "complained", minute=1)
    assert Suppression.objects.count() == 1
    clear(Suppression.objects.get(), reason="Asked by phone", by=billing_admin)

    tell(delivery, "bounced", minute=2)

    assert Suppression.objects.filter(cleared_at=None).count() == 1
