"""Real processes: two imports at once, and one that is killed at any moment."""

import random
import signal
import time
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db.models import Sum

from charges.importing import import_files
from charges.importing.liveness import is_running
from charges.models import Charge, FocusImport
from periods import storage
from tests.charges.focus_files import focus_row, write_focus
from tests.charges.processes import start_import
from tests.make import make_source

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 12_000


def due() -> object:
    return Charge.objects.current().aggregate(due=Sum("due_amount"))["due"]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    rows = [focus_row(ResourceId=f"i-{n}") for n in range(ROWS)]
    dearer = [row | {"EffectiveCost": "81"} for row in rows]
    return write_focus(tmp_path / "old.csv", *rows), write_focus(tmp_path / "new.csv", *dearer)


def test_a_killed_import_leaves_the_old_snapshot_or_the_new_one_and_a_rerun_finishes(
    files: tuple[Path, Path], settings: LazySettings
) -> None:
    old, new = files
    import_files([old], source_name="aws")
    for moment in range(10):
        process = start_import(new, settings)
        time.sleep(0.9 + 0.2 * moment + random.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert due() in (80 * ROWS, 81 * ROWS)

    import_files([new], source_name="aws")

    assert due() == 81 * ROWS
    assert not FocusImport.objects.filter(state="staged").exists()
    assert Charge.objects.count() == 2 * ROWS
    assert list((storage.home() / "locks").glob("*")) == []


def test_of_two_imports_at_once_one_wins_and_the_other_is_told(
    files: tuple[Path, Path], settings: LazySettings
) -> None:
    processes = [start_import(path, settings) for path in files]

    answers = [(process.communicate()[1].decode(), process.returncode) for process in processes]

    told = [error for error, code in answers if code == 1]
    assert sorted(code for _, code in answers) in ([0, 0], [0, 1])
    assert [error for error in told if "Another delivery of aws was loaded meanwhile" not in error] == []
    assert due() in (80 * ROWS, 81 * ROWS)
    assert Charge.objects.current().count() == ROWS


def test_a_staged_import_without_a_process_is_known_to_be_dead() -> None:
    staged = FocusImport.objects.create(source=make_source("aws"))

    assert not is_running(staged)
