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
for number in range(24):
    make_rendered(f"pi{number}@example.edu")
"""


def test_a_killed_run_sends_nobody_twice(server, settings, tmp_path):
    """A real process on a database of its own, killed in the middle of sending."""
    server.delay = 0.05
    environment = {
        **os.environ,
        "OCB_HOME": str(tmp_path / "other"),
        "DATABASE_URL": f"sqlite:///{tmp_path}/other/db.sqlite3",
        "EMAIL_URL": f"smtp://127.0.0.1:{settings.EMAIL_PORT}",
        "DJANGO_SETTINGS_MODULE": "ocb_project.settings",
        "PYTHONPATH": str(ROOT),
    }

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, cwd=ROOT, check=check, capture_output=True, text=True)

    run("-c", FILL)
    email = ["manage.py", "email_statements", "2025-01"]
    killed = subprocess.Popen([sys.executable, *email], env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
    while len(server.accepted) < 8 and killed.poll() is None:
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert killed.returncode == -signal.SIGKILL
    reached = len(server.accepted)
    server.delay = 0

    again = run(*email, check=False)

    unclear = again.stderr.count("unclear: interrupted while sending")
    assert 8 <= reached < 24
    assert max(server.recipients.values()) == 1
    assert len(server.recipients) in {24, 24 - unclear}
    assert unclear <= 1
    assert again.returncode == unclear
