"""A process killed in the middle of finalizing seals nothing; a database restored from its dump still verifies."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from charges.models import Charge
from statements.archiving import finalize_period, verify_ledger
from statements.models import RuleInForce, Seal
from tests.charges.processes import database_url
from tests.make import make_charge
from tests.statements.sealed import make_ready

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]
ROWS = 12_000
on_sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="a file of SQLite")
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="pg_dump and psql")


def manage(home: Path, database: str, *command: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OCB_HOME": str(home), "DATABASE_URL": database}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, text=True, **pipes)


def run(home: Path, database: str, *command: str) -> tuple[int, str]:
    process = manage(home, database, *command)
    out, error = process.communicate()
    return process.returncode, (out + error).strip()


def make_large() -> Any:
    """Many excluded rows: they take time to seal, and nothing of the statements."""
    charge = make_charge(review_status="excluded")
    copies = [
        Charge(**{field.attname: getattr(charge, field.attname) for field in Charge._meta.fields}) for _ in range(ROWS)
    ]
    for copy in copies:
        copy.pk = None
    Charge.objects.bulk_create(copies, batch_size=500)
    return make_ready()


def test_killed_while_it_writes_the_lines_nothing_is_sealed_and_a_rerun_finishes(home: Path) -> None:
    period = make_large()
    process = manage(home, database_url(), "finalize_period", "2025-01")
    while not list((home / "seals").glob(".incoming-*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    period.refresh_from_db()
    assert (period.state, Seal.objects.count(), RuleInForce.objects.count()) == ("closed", 0, 0)
    assert list((home / "seals").rglob("*.jsonl")) == []
    assert finalize_period(period).number == 1
    assert verify_ledger() == []


@pytest.fixture
def head(home: Path) -> str:
    return finalize_period(make_ready()).head


def proves(home: Path, database: str, head: str) -> None:
    """The restored database holds the same chain, behind the same guards."""
    assert run(home, database, "verify_ledger") == (0, f"Verified 1 finalized month. Head of the seal chain: {head}")
    code, said = run(home, database, "check", "--database", "default")
    assert (code, "guard" in said) == (0, False), said


@on_sqlite
@pytest.mark.parametrize("way", ["dump", "vacuum"])
def test_restored_sqlite_database_verifies(home: Path, head: str, tmp_path: Path, way: str) -> None:
    source, copy = sqlite3.connect(connection.settings_dict["NAME"]), tmp_path / "restored.sqlite3"
    if way == "vacuum":
        source.execute("VACUUM INTO ?", [str(copy)])
    else:
        restored = sqlite3.connect(copy)
        restored.executescript("\n".join(source.iterdump()))
        restored.close()
    source.close()

    proves(home, f"sqlite:///{copy}", head)


@on_sqlite
def test_database_restored_without_its_triggers_is_told_of(home: Path, head: str, tmp_path: Path) -> None:
    copy = tmp_path / "restored.sqlite3"
    source, restored = sqlite3.connect(connection.settings_dict["NAME"]), sqlite3.connect(copy)
    restored.executescript("\n".join(line for line in source.iterdump() if not line.startswith("CREATE TRIGGER")))
    source.close()
    restored.close()

    code, said = run(home, f"sqlite:///{copy}", "check", "--database", "default")
    assert (code, "is missing or altered" in said) == (1, True)
    assert run(home, f"sqlite:///{copy}", "verify_ledger")[0] == 1
    assert run(home, f"sqlite:///{copy}", "migrate", "--verbosity", "0") == (0, "")
    proves(home, f"sqlite:///{copy}", head)


@pytest.fixture
def empty() -> Iterator[str]:
    """The address of a new PostgreSQL database beside the test's own."""
    name = f"{connection.settings_dict['NAME']}_restored"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    yield database_url().rpartition("/")[0] + f"/{name}"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")


@on_postgresql
@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="pg_dump is not installed")
def test_restored_postgresql_database_verifies(home: Path, head: str, empty: str, tmp_path: Path) -> None:
    dump = tmp_path / "dump.sql"
    subprocess.run(["pg_dump", "--no-owner", "-f", str(dump), database_url()], check=True)
    subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump), empty], check=True, capture_output=True)

    proves(home, empty, head)
