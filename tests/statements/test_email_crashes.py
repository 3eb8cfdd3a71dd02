"""Two runs of mail at once, and one that is killed: nobody gets a message twice."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection

from tests.statements.mail_server import make_rendered, send, server, statuses

__all__ = ["server"]

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parent.parent.parent


def send_apart(_: int) -> int:
    try:
        return send().sent
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_send_everything_once(server):
    server.delay = 0.01
    addresses = [f"pi{number}@example.edu" for number in range(12)]
    for address in addresses:
        make_rendered(address)

    with ThreadPoolExecutor(2) as pool:
        sent = list(pool.map(send_apart, range(2)))

    assert sum(sent) == 12
    assert server.recipients == dict.fromkeys(addresses, 1)
    assert set(statuses().values()) == {"sent"}


FILL = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.statements.mail_server import make_rendered
for number in range(200):
    make_rendered(f"pi{number}@example.edu")
"""


def test_a_killed_run_of_200_and_two_after_it_send_nobody_twice(server, settings, tmp_path):
    """Real processes on a database of their own: one killed in the middle of sending, then two at once."""
    server.delay = 0.01
    environment = {
        **os.environ,
        "OCB_HOME": str(tmp_path / "other"),
        "DATABASE_URL": f"sqlite:///{tmp_path}/other/db.sqlite3",
        "EMAIL_URL": f"smtp://127.0.0.1:{settings.EMAIL_PORT}",
        "DJANGO_SETTINGS_MODULE": "ocb_project.settings",
        "PYTHONPATH": str(ROOT),
    }

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=environment, cwd=ROOT, text=True, **pipes)

    assert start("-c", FILL).communicate()[1] == ""
    email = ["manage.py", "email_statements", "2025-01"]
    killed = start(*email)
    while len(server.accepted) < 100 and killed.poll() is None:
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    reached = len(server.accepted)
    server.delay = 0

    again = [start(*email), start(*email)]
    said = [run.communicate()[1] for run in again]

    unclear = {line.split()[1] for text in said for line in text.splitlines()}
    assert 100 <= reached < 200
    assert set(server.recipients.values()) == {1}
    everybody = {f"pi{number}@example.edu" for number in range(200)}
    assert everybody - set(server.recipients) <= unclear
    assert len(unclear) <= 1
    assert {text for text in said if text} <= {_listed(unclear)}


def _listed(unclear: set[str]) -> str:
    """What a run says of the one that was in flight, which it leaves to a person."""
    ended = "The run that was sending it ended. Ask whether it arrived, then queue it again or leave it."
    return "".join(f"CommandError: {name} (unclear: interrupted while sending): {ended}\n" for name in unclear)
