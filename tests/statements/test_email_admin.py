"""What staff do about mail in the admin: try the settings, send a copy, queue again, allow an address again."""

import pytest
from django.contrib.messages import get_messages

from statements.models import EmailDelivery, Suppression
from tests.statements.mail_server import make_rendered, send, server

pytestmark = pytest.mark.django_db
__all__ = ["server"]


@pytest.fixture
def staff(client, billing_admin):
    client.force_login(billing_admin)
    return client


def said(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def errors(response) -> list[str]:
    return list(response.context["form"].non_field_errors())


def test_a_test_message_says_where_it_went(staff, server):
    response = staff.post("/admin/statements/emaildelivery/test/")

    assert said(response) == ["Sent to admin@example.edu. Look whether it arrived, and how."]
    assert server.recipients == {"admin@example.edu": 1}


def test_a_test_message_says_what_the_server_answered(staff, server):
    server.answers["admin"] = "550 no such user"

    response = staff.post("/admin/statements/emaildelivery/test/")

    assert errors(response) == ["The test message was not sent: the mail server answered 550 no such user"]


def test_looking_at_the_page_sends_no_test_message(staff, server):
    staff.get("/admin/statements/emaildelivery/test/")

    assert server.recipients == {}


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        ("dean@example.edu", "Copies: 1 sent."),
        (
            "unknown@example.edu",
            "Copies: 0 sent, 1 failed. unknown@example.edu (failed): the mail server answered 550 no such user",
        ),
    ],
)
def test_a_copy_says_what_became_of_it(staff, server, to, sentence):
    statement = make_rendered()

    response = staff.post(f"/admin/statements/statement/{statement.pk}/step/copy/", {"to": to})

    assert said(response) == [sentence]
    assert EmailDelivery.objects.get().kind == "copy"


def test_a_suppressed_address_is_allowed_again_with_a_reason(staff):
    suppression = Suppression.objects.create(address="ada@example.edu", cause="550 no such user")
    address = f"/admin/statements/suppression/{suppression.pk}/step/clear/"

    assert staff.post(address, {"reason": "so"}).status_code == 200
    assert Suppression.objects.get().cleared_at is None
    response = staff.post(address, {"reason": "Asked by phone"})

    assert said(response) == ["Mail may go to ada@example.edu again. Queue again what was not sent."]
    assert Suppression.objects.get().cleared_at is not None


def test_queueing_again_to_a_suppressed_address_is_refused_on_the_page(staff, server):
    make_rendered("unknown@example.edu")
    send()
    Suppression.objects.create(address="unknown@example.edu", cause="550 no such user")
    delivery = EmailDelivery.objects.get()

    response = staff.post(f"/admin/statements/emaildelivery/{delivery.pk}/step/retry/", {"reason": "Asked by phone"})

    assert len(errors(response)) == 1
    assert EmailDelivery.objects.get().status == "failed"


@pytest.mark.parametrize(("state", "listed"), [("", ["b"]), ("cleared", ["a"]), ("all", ["b", "a"])])
def test_addresses_that_are_allowed_again_are_listed_on_demand(staff, state, listed):
    Suppression.objects.create(address="a@example.edu", cause="550", cleared_at="2025-01-01T00:00Z")
    Suppression.objects.create(address="b@example.edu", cause="550")

    found = staff.get(f"/admin/statements/suppression/?state={state}").context["cl"].queryset

    assert [row.address[0] for row in found] == listed


@pytest.mark.parametrize(
    ("status", "listed"), [("bounced", ["a"]), ("unclear", ["b"]), ("failed", ["c"]), ("", ["c", "b", "a"])]
)
def test_deliveries_are_filtered_by_what_became_of_them(staff, status, listed):
    for name, found in (("a", "bounced"), ("b", "unclear"), ("c", "failed")):
        statement = make_rendered(f"{name}@example.edu")
        EmailDelivery.objects.create(
            period=statement.period, pi=statement.pi, recipient=statement.pi.email, content_key=name, status=found
        )
    query = f"?status__exact={status}" if status else ""

    shown = staff.get(f"/admin/statements/emaildelivery/{query}").context["cl"].queryset

    assert [row.recipient[0] for row in shown] == listed
