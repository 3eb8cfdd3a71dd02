"""What lies in a folder beside billing files: nothing hangs, nothing that may matter is passed over."""

import os
from pathlib import Path

import pytest

from charges.importing.finding import Found, find_files
from periods.errors import Refused


def test_a_pipe_is_no_billing_file(tmp_path: Path) -> None:
    pipe = tmp_path / "a.csv"
    os.mkfifo(pipe)
    with pytest.raises(Refused, match="There is no FOCUS file at"):
        find_files([pipe])


def test_a_name_that_no_disk_holds_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read: File name too long"):
        find_files([tmp_path / ("a" * 300 + ".csv")])


def test_what_a_disk_puts_aside_is_left_alone(tmp_path: Path) -> None:
    for folder in ("lost+found", "january"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text("BilledCost\n")
    assert find_files([tmp_path]) == Found([tmp_path / "january" / "a.csv"], [])
