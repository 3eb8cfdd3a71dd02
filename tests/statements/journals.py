"""Statements of a month, and what its journal says of them."""

import csv
import io
from pathlib import Path

from statements.issuing import issue_statements
from tests.make import make_closed, make_period


def make_issued(period=None):
    period = make_closed(period or make_period())
    issue_statements(period)
    return period


def amounts(journal):
    return {line.account: line.debit - line.credit for line in journal.lines.all()}


def rows(content):
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def make_template(home: Path, name: str, text: str):
    folder = home / "templates" / "journals"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.csv").write_text(text)
