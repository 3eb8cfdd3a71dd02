from typing import Any

from django.core.management.base import CommandParser

from periods.blockers import checklist
from periods.commands import StageCommand
from periods.models import BillingPeriod
from statements.archiving import finalize_period
from statements.models import Seal


class Command(StageCommand):
    help = "Seal a month: nothing in it changes any more."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--override", default="", metavar="REASON", help="why not to wait for the printed dispute date"
        )

    def run(self, *, period: BillingPeriod, override: str, by: Any, **options: Any) -> None:
        if period.state == BillingPeriod.State.FINALIZED:
            return self.say(f"{period} is already finalized: {Seal.objects.get(period=period).head}")
        warnings = [blocker.sentence for blocker in checklist(period, "finalize") if blocker.is_warning]
        seal = finalize_period(period, by=by, override=override)
        self.say(f"{period} is finalized. Head of the seal chain: {seal.head}")
        for sentence in warnings:
            self.say(f"Note: {sentence}")
        return None
