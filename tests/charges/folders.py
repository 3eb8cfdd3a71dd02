"""Deliveries of a month, one after another."""

from pathlib import Path

import pytest

from charges.importing import Delivery, import_files
from tests.charges.focus_files import write_focus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    return inbox


def deliver(folder: Path, *rows: dict, name: str = "jan.csv", source: str = "aws", **options) -> Delivery:
    return import_files([write_focus(folder / name, *rows)], source_name=source, **options)
