"""Whoever waits for a large file sees on a terminal how far it is; a log is left alone."""

import fcntl
import gzip
import io
import os
import pty
import random
import re
import struct
import termios
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from django.conf import LazySettings

from charges.importing import import_files
from charges.importing.reading import text
from tests.charges.focus_files import focus_row, write_focus
from tests.charges.processes import start_import

ROWS = 12_000
PART = 5000
TERMINAL = struct.pack("HHHH", 24, 100, 0, 0)  # lines and columns
FRAME = re.compile(r" *(\d+)%\|[^|]{20,}\| ([\d,]+) rows \[\d\d:\d\d, (?:\?|\d\d:\d\d) left, (\?| *[\d.]+k?) rows/s\]")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Names of which no packing makes much less."""
    chance = random.Random(7)
    return write_focus(tmp_path / "jan.csv", *(focus_row(ResourceId=chance.randbytes(100).hex()) for _ in range(ROWS)))


def on_a_terminal(path: Path, settings: LazySettings, *options: str) -> tuple[str, list[str]]:
    """What the command says, and what it draws."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, TERMINAL)
    with start_import(path, settings, *options, stderr=theirs) as process:
        os.close(theirs)
        drawn = b""
        try:
            while data := os.read(ours, 1 << 16):
                drawn += data
        except OSError:  # as a terminal ends on Linux
            os.close(ours)
        said = process.communicate()[0].decode()
    return said, drawn.decode().split("\r")


@pytest.mark.django_db(transaction=True)
def test_a_terminal_shows_share_rows_time_left_and_rate(large: Path, settings: LazySettings) -> None:
    said, drawn = on_a_terminal(large, settings)

    assert said.splitlines()[0] == "2025-01 aws: 12,000 rows, loaded 12,000 (0 held for review), 0 in quarantine."
    first, *frames, cleared = [frame for frame in drawn if frame]
    found = [FRAME.fullmatch(frame) for frame in (first, *frames)]
    assert None not in found
    assert re.sub(r"\|.*\|", "||", first) == "  0%|| 0 rows [00:00, ? left, ? rows/s]"
    shown = [(int(match[2].replace(",", "")), int(match[1])) for match in found]
    assert [share for _, share in shown] == pytest.approx([100 * rows / ROWS for rows, _ in shown], abs=1)
    assert shown[-1][0] > 0
    assert cleared.strip() == ""


@pytest.mark.django_db(transaction=True)
def test_nothing_is_drawn_for_json_and_in_a_log(large: Path, settings: LazySettings) -> None:
    assert on_a_terminal(large, settings, "--json", "--dry-run")[1] == [""]
    assert start_import(large, settings).communicate()[1] == b""


def as_parquet(text: bytes) -> bytes:
    columns = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(focus_row(), pa.string()))
    out = pa.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(io.BytesIO(text), convert_options=columns), out)
    return bytes(out.getvalue())


def in_two_parts(text: bytes) -> dict[str, bytes]:
    header, *lines = text.splitlines(keepends=True)
    return {"b.csv": b"".join([header, *lines[:PART]]), "a.csv": b"".join([header, *lines[PART:]])}


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.csv", bytes),
        ("a.csv.gz", gzip.compress),
        ("a.csv.zst", lambda text: bytes(pa.Codec("zstd").compress(text, asbytes=True))),
        ("a.parquet", as_parquet),
        ("two.zip", lambda text: zipped(in_two_parts(text))),
        ("parquet.zip", lambda text: zipped({"a.parquet": as_parquet(text)})),
    ],
)
@pytest.mark.django_db
def test_the_share_is_reckoned_in_any_container(
    large: Path, monkeypatch: pytest.MonkeyPatch, name: str, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(text, "BLOCK", 500_000)
    path = large.with_name(name)
    path.write_bytes(pack(large.read_bytes()))
    told: list[tuple[int, float]] = []

    import_files([path], source_name="aws", dry_run=True, progress=lambda *at: told.append(at))

    rows, shares = zip(*told, strict=True)
    assert sorted(set(rows)) == list(rows)
    assert rows[-1] == ROWS
    assert max(later - row for row, later in zip((0, *rows), rows, strict=False)) < ROWS / 2
    ahead = text.BLOCK / path.stat().st_size  # which unpacking may read at once, as packed
    assert all(-0.08 < share - n / ROWS < 0.08 + ahead for n, share in zip(rows, shares, strict=True))
    assert shares == tuple(sorted(shares))
    assert shares[-1] <= 1


@pytest.mark.django_db
def test_files_of_a_delivery_share_one_bar(large: Path) -> None:
    for name, part in in_two_parts(large.read_bytes()).items():
        large.with_name(name).write_bytes(part)
    large.unlink()
    told: list[tuple[int, float]] = []

    import_files([large.parent], source_name="aws", dry_run=True, progress=lambda *at: told.append(at))

    sizes = [large.with_name(name).stat().st_size for name in ("a.csv", "b.csv")]
    assert dict(told)[ROWS - PART] == sizes[0] / sum(sizes)
    assert told[-1] == (ROWS, 1.0)
