"""The commands of issuing and journals: what cron sees."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from statements.models import Journal, Statement
from tests.make import make_charge, make_closed, make_period

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]


def run(capsys, name, *args):
    call_command(name, "2025-01", *args)
    output = capsys.readouterr()
    return output.out, output.err


@pytest.fixture
def closed():
    make_charge(due_amount="5")
    return make_closed(make_period())


def test_issue_says_what_it_did(closed, capsys):
    assert run(capsys, "issue_statements") == ("January 2025: 1 issued, 0 revised, 0 unchanged, 0 void.\n", "")
    assert run(capsys, "issue_statements") == ("January 2025: 0 issued, 0 revised, 1 unchanged, 0 void.\n", "")


def test_issue_in_an_open_month_exits_1():
    make_charge()

    with pytest.raises(CommandError, match=r"^January 2025 is open"):
        call_command("issue_statements", "2025-01")


@pytest.mark.parametrize("name", ["issue_statements", "export_journal"])
def test_command_by_a_user_without_permission_exits_1(name, closed, outsider):
    with pytest.raises(CommandError, match=r"^outsider has no permission to "):
        call_command(name, "2025-01", "--by", "outsider")

    assert (Statement.objects.count(), Journal.objects.count()) == (0, 0)


def test_export_to_a_pipe_writes_the_journal_and_nothing_else(closed, capsys):
    call_command("issue_statements", "2025-01", verbosity=0)
    capsys.readouterr()

    out, err = run(capsys, "export_journal", "--template", "generic")

    assert out.splitlines()[1].startswith("J-2025-01-1,1,2025-01-31,2025-01,NSF-1,")
    assert (len(out.splitlines()), out[-1], err) == (3, "\n", "J-2025-01-1 is exported.\n")


def test_export_to_a_file_twice_writes_the_same_bytes(closed, capsys, tmp_path):
    run(capsys, "issue_statements")

    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    assert run(capsys, "export_journal", "--output", str(first)) == ("J-2025-01-1 is exported.\n", "")
    run(capsys, "export_journal", "--output", str(second))

    assert first.read_bytes() == second.read_bytes() != b""


def test_export_to_a_place_that_cannot_be_written_exits_1_and_can_be_repeated(closed, capsys, tmp_path):
    run(capsys, "issue_statements")

    with pytest.raises(CommandError, match=r"cannot be written \(No such file or directory\): run it again\.$"):
        call_command("export_journal", "2025-01", "--output", str(tmp_path / "absent" / "a.csv"))

    run(capsys, "export_journal", "--output", str(tmp_path / "a.csv"))
    assert Journal.objects.get().state == "exported"


def test_export_with_nothing_due_needs_no_journal(capsys, tmp_path):
    make_charge(due_amount="0")
    make_closed(make_period())
    run(capsys, "issue_statements")

    assert run(capsys, "export_journal", "--output", str(tmp_path / "a.csv")) == (
        "January 2025: no journal needed.\n",
        "",
    )
    assert run(capsys, "acknowledge_journal", "--reference", "-") == ("January 2025: no journal needed.\n", "")
    assert not (tmp_path / "a.csv").exists()


def test_export_with_a_date_that_is_none_is_bad_usage(closed):
    with pytest.raises(CommandError, match=r"'tomorrow' is no date: give YYYY-MM-DD\.$"):
        call_command("export_journal", "2025-01", "--accounting-date", "tomorrow")


def test_acknowledge_says_the_reference(closed, capsys):
    run(capsys, "issue_statements")
    run(capsys, "export_journal")

    expected = ("J-2025-01-1 is acknowledged as GL-1.\n", "")
    assert run(capsys, "acknowledge_journal", "--reference", "GL-1") == expected
    assert run(capsys, "acknowledge_journal", "--reference", "GL-1") == expected


def test_wrong_period_is_bad_usage_exit_2(tmp_path):
    environment = {**os.environ, "OCB_HOME": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "period_status", "2025-1"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("'2025-1' is no period: give YYYY-MM, current or previous.\n")
