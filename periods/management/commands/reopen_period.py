from typing import Any

from django.core.management.base import CommandParser

from periods.commands import StageCommand
from periods.lifecycle import reopen_period
from periods.models import BillingPeriod


class Command(StageCommand):
    help = "Reopen a closed month for imports."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", required=True, help="why, in at least ten characters")

    def run(self, *, period: BillingPeriod, reason: str, by: Any, **options: Any) -> None:
        reopen_period(period, reason=reason, by=by)
        self.say(f"{period} is open again.")
