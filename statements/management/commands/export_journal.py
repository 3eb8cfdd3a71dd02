import argparse
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from periods.commands import StageCommand
from periods.errors import Refused
from periods.models import BillingPeriod
from statements.journaling import export_journal


class Command(StageCommand):
    help = "Export a month's journal; without a change, the same bytes again."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--template", default="generic", metavar="NAME", help="the layout (default: generic)")
        parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
        parser.add_argument(
            "--accounting-date", type=day, metavar="YYYY-MM-DD", help="of a new journal (default: the month's last day)"
        )

    def run(self, *, period: BillingPeriod, by: Any, template: str, output: Path | None, **options: Any) -> None:
        exported = export_journal(period, template=template, accounting_date=options["accounting_date"], by=by)
        if output and exported.journal:
            _write(output, exported.content)
        elif exported.journal:
            self.stdout.write(exported.content.decode(), ending="")
        notes = self.stdout if output else self.stderr  # a pipe gets the journal and nothing else
        notes.write(f"{exported.journal} is exported." if exported.journal else f"{period}: no journal needed.")


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date: give YYYY-MM-DD.") from error


def _write(output: Path, content: bytes) -> None:
    try:
        output.write_bytes(content)
    except OSError as error:
        raise Refused(
            f"The journal is exported and archived, but {output} cannot be written ({error.strerror}): run it again."
        ) from error
