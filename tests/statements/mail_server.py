"""A real mail server for tests, and statements that can be mailed."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from django.core.mail.backends.smtp import EmailBackend

from periods import storage
from statements.emailing import Emailed, email_statements
from statements.models import ArchivedDocument, EmailDelivery, Statement
from tests.make import make_line, make_period, make_pi, make_project, make_statement
from tests.statements.sealed import make_current


class Server:
    """Answers by the recipient's name; keeps what it accepted."""

    def __init__(self) -> None:
        self.accepted: list[tuple[str, EmailMessage]] = []
        self.delay = 0.0
        self.answers = {"full": "452 mailbox full, try later", "unknown": "550 no such user"}  # to a recipient
        self.answers_to_data = {"busy": "451 try again", "spam": "554 rejected"}

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - as aiosmtpd calls it
        name = address.partition("@")[0]
        if name not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get(name, "250 fine")

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - as aiosmtpd calls it
        name = envelope.rcpt_tos[0].partition("@")[0]
        if name in self.answers_to_data:
            return self.answers_to_data[name]
        if name == "crash":
            server.transport.close()
            return "250 nobody hears this"
        self.accepted.append((envelope.rcpt_tos[0], message_from_bytes(envelope.content, policy=policy.default)))
        if self.delay:
            time.sleep(self.delay)  # noqa: ASYNC251 - a slow server
        return "250 taken"

    @property
    def recipients(self) -> Counter[str]:
        return Counter(address for address, _ in self.accepted)


@pytest.fixture
def server(settings) -> Iterator[Server]:
    handler = Server()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    settings.EMAIL_BACKEND = f"{EmailBackend.__module__}.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    yield handler
    controller.stop()


def make_rendered(email="ada@example.edu", *, project="engine", **kwargs) -> Statement:
    """An issued statement with a document; its bytes need be no PDF here."""
    pi = make_pi(email, name=kwargs.pop("pi_name", email.partition("@")[0]))
    statement = make_statement(pi=pi, project=make_project(project), **kwargs)
    make_line(statement, list_amount=statement.list_amount, due_amount=statement.due_amount)
    archive(statement)
    return statement


def archive(statement: Statement) -> ArchivedDocument:
    make_current(statement)
    kept = storage.keep([f"%PDF {statement.printed_number}".encode()], folder="statements", suffix=".pdf")
    return ArchivedDocument.objects.create(
        period=statement.period,
        kind="statement",
        statement=statement,
        template="statements/statement.html",
        path=kept.path,
        sha256=kept.sha256,
        size=kept.size,
    )


def send(**kwargs) -> Emailed:
    return email_statements(make_period(), **kwargs)


def statuses() -> dict[str, str]:
    return dict(EmailDelivery.objects.values_list("recipient", "status"))
