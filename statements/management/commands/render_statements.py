import argparse
from typing import Any

from django.core.management.base import CommandError, CommandParser

from periods.commands import StageCommand
from periods.models import BillingPeriod
from periods.progress import progress
from statements.rendering import render_statements

MOST_WORKERS = 256  # each takes some 100 MB


class Command(StageCommand):
    help = "Make the PDF of every issued statement that has none yet."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--workers", type=_count, metavar="N", help="processes at once (default: one for each core)"
        )

    def run(self, *, period: BillingPeriod, by: Any, workers: int | None, **_: Any) -> None:
        with progress(self.say, "PDFs") as tell:
            done = render_statements(period, by=by, workers=workers, progress=tell)
        self.say(f"{done.rendered} rendered, {done.unchanged} were there already.")
        for sentence in done.remarks():
            self.say(sentence)
        if done.failed:
            raise CommandError("\n".join(f"{number}: {sentence}" for number, sentence in done.failed.items()))


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"a number from 1 to {MOST_WORKERS} is wanted, not {text!r}")
    return int(text)
