from typing import Any

from django.core.management.base import CommandParser

from periods.commands import StageCommand
from periods.models import BillingPeriod
from statements.journaling import acknowledge_journal


class Command(StageCommand):
    help = "Record that finance has posted a month's journal."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reference", required=True, help="finance's number for it")

    def run(self, *, period: BillingPeriod, reference: str, by: Any, **options: Any) -> None:
        journal = acknowledge_journal(period, reference=reference, by=by)
        if journal is None:
            return self.say(f"{period}: no journal needed.")
        return self.say(f"{journal} is acknowledged as {journal.reference}.")
