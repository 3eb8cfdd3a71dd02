"""Who gets a code, what it opens, and what it never opens."""

import email
import re
import socket
from email.message import Message
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client

from charges.models import PIAddress, ProjectDelegate
from periods.models import AuditEntry
from tests.make import make_pi, make_project, make_statement

SIGN_IN, CONFIRM, HOME = "/sign-in/", "/sign-in/code/", "/"
CODE = re.compile(r"^ {4}(\S+)$", re.MULTILINE)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _mail_to_files(settings):
    settings.EMAIL_BACKEND = "ocb_project.file_mail.EmailBackend"
    cache.clear()


def mails(home: Path) -> list[Message]:
    return [email.message_from_bytes(file.read_bytes()) for file in sorted((home / "mail").glob("*.eml"))]


def code_in(mail: Message) -> str:
    return CODE.findall(mail.get_payload(decode=True).decode())[0]


def request_code(client: Client, address: str) -> HttpResponse:
    return client.post(SIGN_IN, {"email": address})


def sign_in(client: Client, address: str, home: Path) -> HttpResponse:
    request_code(client, address)
    return client.post(CONFIRM, {"code": code_in(mails(home)[-1])})


def user_in(client: Client) -> str:
    user = User.objects.filter(pk=client.session.get("_auth_user_id")).first()
    return user.username if user else ""


def test_code_signs_in_the_pi_it_was_mailed_to(client, home):
    pi = make_pi("ada@example.edu")
    response = sign_in(client, "ada@example.edu", home)
    (mail,) = mails(home)
    assert (response.status_code, response.url) == (302, HOME)
    assert (mail["To"], mail["From"]) == ("ada@example.edu", "research-billing@example.edu")
    assert mail["Subject"] == f"{code_in(mail)} is your sign-in code for Research Computing"
    assert user_in(client) == "ada@example.edu"
    pi.refresh_from_db()
    assert pi.user.username == "ada@example.edu"
    assert not pi.user.has_usable_password()


def test_account_made_for_a_code_is_recorded(client):
    make_pi("ada@example.edu")
    request_code(client, "ada@example.edu")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.after) == (
        "open sign-in",
        "ada@example.edu",
        {"email": "ada@example.edu"},
    )


@pytest.mark.parametrize("typed", ["ada@example.edu", "Ada@Example.EDU", " ada@example.edu "])
def test_address_is_recognized_however_it_is_typed(client, home, typed):
    make_pi("ADA@example.edu")
    sign_in(client, typed, home)
    assert user_in(client) == "ada@example.edu"


def test_second_address_of_a_pi_signs_in(client, home):
    PIAddress.objects.create(pi=make_pi("ada@example.edu"), email="Lovelace@example.org")
    sign_in(client, "lovelace@example.org", home)
    assert user_in(client) == "lovelace@example.org"


def test_delegate_signs_in(client, home):
    ProjectDelegate.objects.create(project=make_project(), email="dora@example.edu")
    sign_in(client, "dora@example.edu", home)
    assert user_in(client) == "dora@example.edu"


def test_second_code_uses_the_account_of_the_first(client, home):
    make_pi("ada@example.edu")
    sign_in(client, "ada@example.edu", home)
    client.post("/sign-in/out/")
    sign_in(client, "ada@example.edu", home)
    assert User.objects.count() == 1


def test_stranger_gets_the_same_answer_and_no_mail(home):
    make_pi("ada@example.edu")
    answers = [answer_to(address) for address in ("ada@example.edu", "eve@example.edu")]
    assert answers[0] == answers[1]
    assert [mail["To"] for mail in mails(home)] == ["ada@example.edu"]
    assert [user.username for user in User.objects.all()] == ["ada@example.edu"]


def answer_to(address: str) -> tuple:
    """All that a browser is told, but for the address itself and the form's token."""
    client = Client()
    first = request_code(client, address)
    page = client.get(first.url)
    wrong = client.post(CONFIRM, {"code": "WRONG1"})
    texts = [re.sub(r'value="\w{64}"', "", answer.content.decode()).replace(address, "…") for answer in (page, wrong)]
    return first.status_code, first.url, sorted(first.cookies), page.status_code, wrong.status_code, texts


def test_deactivated_user_gets_no_code(client, home):
    make_pi("ada@example.edu")
    User.objects.create_user("somebody", "Ada@example.edu", is_active=False)
    assert request_code(client, "ada@example.edu").url == CONFIRM
    assert mails(home) == []
    assert User.objects.count() == 1


def test_user_deactivated_between_code_and_sign_in_stays_out(client, home):
    make_pi("ada@example.edu")
    request_code(client, "ada@example.edu")
    User.objects.update(is_active=False)
    response = client.post(CONFIRM, {"code": code_in(mails(home)[0])})
    assert (response.url, user_in(client)) == (SIGN_IN, "")


def test_session_of_a_user_deactivated_later_is_over(client, home):
    make_pi("ada@example.edu")
    sign_in(client, "ada@example.edu", home)
    User.objects.update(is_active=False)
    assert client.get(HOME).url == "/sign-in/?next=/"


def test_look_alike_letter_does_not_reach_another_mailbox(client, home):
    make_pi("mike@example.edu")
    request_code(client, "mi\N{KELVIN SIGN}e@example.edu")
    request_code(Client(), "m\N{LATIN SMALL LETTER DOTLESS I}ke@example.edu")
    assert [mail["To"] for mail in mails(home)] == ["mike@example.edu"]


def test_user_with_the_address_as_name_and_other_mail_is_not_signed_in(client, home):
    make_pi("ada@example.edu")
    User.objects.create_user("ada@example.edu", "mallory@example.org")
    sign_in(client, "ada@example.edu", home)
    assert User.objects.get(username=user_in(client)).email == "ada@example.edu"


def test_address_longer_than_a_user_name_signs_in(client, home):
    address = f"{'a' * 60}@{'.'.join(['b' * 60] * 3)}.edu"
    make_pi(address)
    sign_in(client, address, home)
    assert User.objects.get(username=user_in(client)).email == address


def test_code_is_void_after_three_wrong_ones(client, home):
    make_pi("ada@example.edu")
    request_code(client, "ada@example.edu")
    wrong = [client.post(CONFIRM, {"code": "WRONG1"}).status_code for _ in range(3)]
    right = client.post(CONFIRM, {"code": code_in(mails(home)[0])})
    assert (wrong, right.url, user_in(client)) == ([200, 200, 302], SIGN_IN, "")


def test_code_is_void_after_ten_minutes(client, home, time_machine):
    time_machine.move_to("2025-02-03T09:00:00Z", tick=False)
    make_pi("ada@example.edu")
    request_code(client, "ada@example.edu")
    time_machine.move_to("2025-02-03T09:10:01Z", tick=False)
    response = client.post(CONFIRM, {"code": code_in(mails(home)[0])})
    assert (response.url, user_in(client)) == (SIGN_IN, "")


def test_code_works_in_no_other_browser(client, home):
    make_pi("ada@example.edu")
    request_code(client, "ada@example.edu")
    other = Client()
    assert other.post(CONFIRM, {"code": code_in(mails(home)[0])}).url == SIGN_IN
    assert user_in(other) == ""


def test_fourth_code_within_a_minute_is_refused(home):
    make_pi("ada@example.edu")
    answers = [request_code(Client(), "ada@example.edu").status_code for _ in range(4)]
    assert (answers, len(mails(home))) == ([302, 302, 302, 200], 3)


def test_one_machine_asks_for_twenty_codes_a_minute_at_most(home):
    for number in range(21):
        make_pi(f"pi{number}@example.edu")
        request_code(Client(), f"pi{number}@example.edu")
    assert len(mails(home)) == 20


def test_mail_server_that_is_down_gives_the_same_answer(client, settings):
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.EMAIL_PORT = server.getsockname()[1]
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    make_pi("ada@example.edu")
    assert [request_code(Client(), address).url for address in ("ada@example.edu", "eve@example.edu")] == [CONFIRM] * 2


def test_sign_in_leads_to_the_page_that_was_asked_for(client, home):
    wanted = f"/statements/{make_statement().number}/"
    asked = client.get(wanted)
    request_page = client.get(asked.url)
    confirm_page = client.post(request_page.context["request_login_code_url"], {"email": "ada@example.edu"})
    code = {"code": code_in(mails(home)[0]), "next": wanted}
    assert (confirm_page.url, client.post(CONFIRM, code).url) == (
        f"{CONFIRM}?next={wanted.replace('/', '%2F')}",
        wanted,
    )


def test_sign_in_leads_to_no_foreign_site(client, home):
    make_pi("ada@example.edu")
    request_code(client, "ada@example.edu")
    code = {"code": code_in(mails(home)[0]), "next": "https://evil.example/"}
    assert client.post(CONFIRM, code).url == HOME


def test_sign_out_ends_the_session(client, home):
    make_pi("ada@example.edu")
    sign_in(client, "ada@example.edu", home)
    assert client.get("/sign-in/out/").status_code == 200
    assert client.post("/sign-in/out/").url == HOME
    assert client.get(HOME).url == "/sign-in/?next=/"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "signup/",
        "password/reset/",
        "password/change/",
        "password/set/",
        "email/",
        "confirm-email/",
        "reauthenticate/",
    ],
)
def test_no_page_of_allauth_but_the_code_exists(client, path):
    assert client.get(f"/sign-in/{path}").status_code == (404 if path else 200)


def test_password_is_taken_nowhere_in_the_portal(client, superuser):
    credentials = {"email": superuser.email, "login": superuser.email, "password": "secret"}
    answers = [client.post(path, credentials) for path in ("/sign-in/login/", SIGN_IN)]
    assert ([answer.url for answer in answers], user_in(client)) == ([SIGN_IN, CONFIRM], "")


@pytest.fixture
def administrator(superuser: User) -> User:
    make_pi(superuser.email)
    return superuser


def test_mailed_code_opens_no_admin_even_to_a_superuser(client, home, administrator):
    sign_in(client, administrator.email, home)
    assert user_in(client) == administrator.username
    answers = [client.get(path) for path in ("/admin/", "/admin/auth/user/", "/admin/password_change/")]
    assert [answer.url.partition("?")[0] for answer in answers] == ["/admin/login/"] * 3


def test_password_opens_the_admin_after_a_mailed_code(client, home, administrator):
    sign_in(client, administrator.email, home)
    before = client.session.session_key
    client.post("/admin/login/", {"username": "root", "password": "secret", "next": "/admin/"})
    assert client.get("/admin/auth/user/").status_code == 200
    assert client.session.session_key != before


def test_mailed_code_after_a_password_session_opens_no_admin(client, home, administrator):
    client.login(username="root", password="secret")
    client.post("/sign-in/out/")
    sign_in(client, administrator.email, home)
    assert client.get("/admin/auth/user/").url.partition("?")[0] == "/admin/login/"


def test_pi_who_is_no_staff_never_enters_the_admin(client, home):
    make_pi("ada@example.edu")
    sign_in(client, "ada@example.edu", home)
    assert client.get("/admin/").url == "/admin/login/?next=/admin/"
