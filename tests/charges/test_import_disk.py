"""A disk that is full and a file that cannot be read: one sentence, the old snapshot, and a rerun that finishes."""

import os
import random
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import OperationalError, connection
from django.db.models import Sum

from charges.importing import import_files
from charges.importing.reading.finding import find_files
from charges.models import Charge, FocusImport
from periods.errors import FULL, Refused, in_words
from tests.charges.focus_files import focus_row, write_focus
from tests.charges.processes import start_import

ROWS = 12_000
OLD, NEW = Decimal(80), Decimal("0.123456789") * ROWS
NOBODY = 65_534


def limited(path: Path, settings: LazySettings, size: int) -> tuple[int, str, str]:
    """The command where no file can grow beyond so many bytes: exit code, what it says, what it complains of."""
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    process = start_import(path, settings, preexec_fn=limit)
    said, complained = process.communicate()
    return process.returncode, said.decode(), complained.decode()


def due() -> Decimal:
    return Charge.objects.current().aggregate(due=Sum("due_amount"))["due"]


@pytest.fixture
def old(tmp_path: Path) -> None:
    import_files([write_focus(tmp_path / "old.csv", focus_row())], source_name="aws")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the server of PostgreSQL writes, not the command")
@pytest.mark.django_db(transaction=True)
def test_a_database_without_room_keeps_the_old_snapshot_and_a_rerun_finishes(
    tmp_path: Path, settings: LazySettings, old: None
) -> None:
    new = write_focus(
        tmp_path / "new.csv.gz", *(focus_row(ResourceId=f"i-{n}", EffectiveCost="0.123456789") for n in range(ROWS))
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # earlier tests leave free pages, which are room
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    room = Path(connection.settings_dict["NAME"]).stat().st_size + 500_000

    assert limited(new, settings, room) == (1, "", f"CommandError: {FULL}\n")
    assert due() == OLD

    code, said, complained = limited(new, settings, resource.RLIM_INFINITY)
    assert (code, complained) == (0, "")
    assert said.splitlines()[1] == "Against what was there: 11,999 new, 1 changed, 0 gone, 0 unchanged."
    assert due() == NEW
    assert set(FocusImport.objects.values_list("state", flat=True)) == {"loaded", "discarded"}


@pytest.mark.django_db(transaction=True)
def test_no_room_to_keep_the_file_keeps_the_old_snapshot_and_a_rerun_finishes(
    tmp_path: Path, settings: LazySettings, old: None
) -> None:
    room = 20_000_000  # for the database, not for the file
    chance = random.Random(3)
    large = (focus_row(ResourceName=chance.randbytes(1_000_000).hex(), EffectiveCost=f"{n}.5") for n in range(12))
    new = write_focus(tmp_path / "new.csv", *large)

    assert limited(new, settings, room) == (
        1,
        "",
        f"CommandError: The file could not be kept in {settings.OCB_HOME}/received: File too large.\n",
    )
    assert due() == OLD
    assert list((tmp_path / "received").glob(".incoming-*")) == []

    assert limited(new, settings, resource.RLIM_INFINITY)[0] == 0
    assert due() == Decimal(72)


@contextmanager
def no_room() -> Iterator[str]:
    """A statement that finds the disk full."""
    if connection.vendor == "postgresql":
        yield "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0]}")
        yield "CREATE TABLE large AS SELECT zeroblob(10000000)"
        cursor.execute("PRAGMA max_page_count = 4294967294")


@pytest.mark.django_db
def test_a_full_disk_is_told_in_words_on_either_database() -> None:
    with no_room() as statement, connection.cursor() as cursor, pytest.raises(OperationalError) as full:
        cursor.execute(statement)

    assert in_words(full.value) == FULL
    assert in_words(OperationalError("near SELECT: syntax error")) is None


def refusal_of(path: Path) -> str:
    with pytest.raises(Refused) as refusal:
        find_files([path])
    return str(refusal.value)


def test_what_is_no_file_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to("nowhere")
    (tmp_path / "circle.csv").symlink_to("circle.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    what = "give a .csv (also .gz or .zst), .zip or .parquet file, a folder, or a pattern."

    for path in ("folder.csv", "link.csv", "circle.csv", "pipe.csv", "pipe.csv/in.csv", "*.csv"):
        assert refusal_of(tmp_path / path) == f"There is no FOCUS file at {tmp_path / path}: {what}"
    assert refusal_of(tmp_path / ("x" * 300)).endswith("cannot be read: File name too long.")


@contextmanager
def as_nobody() -> Iterator[None]:
    """Whoever runs the tests: root may read everything."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that anybody may enter, with another that nobody may."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        write_focus(folder / "jan.csv", focus_row())
        for closed in ("locked", ".hidden", "lost+found"):
            (folder / closed).mkdir(mode=0)
        yield folder
        for closed in ("locked", ".hidden", "lost+found"):
            (folder / closed).chmod(0o755)


def test_a_folder_that_may_not_be_read_is_not_passed_over(public: Path) -> None:
    locked = public / "locked"
    with as_nobody():
        sentences = [refusal_of(path) for path in (public, locked, locked / "jan.csv")]

    assert sentences == [
        f"{locked} cannot be read: Permission denied.",
        f"{locked} cannot be read: Permission denied.",
        f"{locked}/jan.csv cannot be read: Permission denied.",
    ]


def test_hidden_folders_and_what_a_file_system_keeps_for_itself_are_of_no_matter(public: Path) -> None:
    (public / "locked").chmod(0o755)
    with as_nobody():
        assert find_files([public]).files == [public / "jan.csv"]


@pytest.mark.django_db
def test_a_file_that_may_not_be_read_is_refused(public: Path) -> None:
    (public / "jan.csv").chmod(0)
    with as_nobody(), pytest.raises(Refused) as refusal:
        import_files([public / "jan.csv"], source_name="aws", dry_run=True)

    assert str(refusal.value) == "jan.csv cannot be read: Permission denied."
