"""Files are kept whole under the hash of their bytes, or not at all."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from periods.errors import Refused
from periods.storage import digest, keep, locate


def test_a_file_is_kept_once_under_its_hash(home: Path) -> None:
    sha256 = hashlib.sha256(b"one two").hexdigest()

    first = keep([b"one ", b"two"], folder="received", suffix=".csv")
    second = keep([b"one two"], folder="received", suffix=".csv")

    assert first == second
    assert (first.path, first.size) == (f"received/{sha256[:2]}/{sha256}.csv", 7)
    assert locate(first.path).read_bytes() == b"one two"
    assert digest(locate(first.path)) == sha256
    assert len([path for path in home.rglob("*") if path.is_file()]) == 1


def test_a_stream_that_breaks_leaves_nothing(home: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError("the line went dead")

    with pytest.raises(RuntimeError):
        keep(broken(), folder="received", suffix="")

    assert not [path for path in home.rglob("*") if path.is_file()]


def test_a_disk_that_refuses_is_said_in_a_sentence(home: Path) -> None:
    (home / "received").write_text("a file where the folder should be")

    with pytest.raises(Refused, match=r"The file could not be kept in .*received"):
        keep([b"x"], folder="received", suffix="")
