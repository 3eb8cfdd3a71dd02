import argparse
from typing import Any

from django.core.management.base import CommandError, CommandParser

from periods.commands import StageCommand
from periods.models import BillingPeriod
from periods.progress import progress
from statements.emailing import email_statements


def at_least_one(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of messages: give 1 or more.")
    return int(text)


class Command(StageCommand):
    help = "Mail each PI their statements, once: what was sent before is never sent again."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="say who would get what; send nothing")
        parser.add_argument("--limit", type=at_least_one, metavar="N", help="send at most N messages")

    def run(self, *, period: BillingPeriod, by: Any, dry_run: bool, limit: int | None, **_: Any) -> None:
        with progress(self.say, "messages") as tell:
            done = email_statements(period, by=by, dry_run=dry_run, limit=limit, progress=tell)
        if dry_run:
            self.say("\n".join(done.preview) or "There is nothing to send.")
        else:
            self.say(f"{done.sent} sent, {done.skipped} sent before, {done.waiting} waiting.")
        if done.problems:
            raise CommandError("\n".join(done.problems))
