from typing import Any

from django.core.management.base import CommandParser

from charges.importing.summary import late_in_words
from periods.blockers import counted
from periods.commands import StageCommand
from periods.models import BillingPeriod
from statements.status import Status, period_status


class Command(StageCommand):
    help = "Say where a month stands: figures, statements, journal, and what stands in the way."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def run(self, *, period: BillingPeriod, json: bool, **options: Any) -> None:
        status = period_status(period)
        if json:
            self.say_json(status.as_json())
        else:
            self.say("\n".join(_in_words(status)))


def _in_words(status: Status) -> list[str]:
    charges, held = (counted(number, "charge", "charges") for number in (status.charges, status.held))
    issued = counted(status.statements, "statement", "statements")
    without = f", {status.unconverted} without an exchange rate" if status.unconverted else ""
    journal = "acknowledged" if status.acknowledged else "not acknowledged"
    return [
        f"{status.period}: {status.period.get_state_display().lower()}",
        f"{charges}, {issued} issued",
        f"List price  {status.printed(status.figures.list):>16} {status.period.currency}",
        f"Discount    {status.printed(status.figures.discount):>16}",
        f"Amount due  {status.printed(status.figures.due):>16}",
        f"Held        {status.printed(status.held_due):>16} in {held}{without}",
        f"Journal     {status.printed(status.debits):>16} {journal}",
        *(f"Late        {late['source']}: {sentence}" for late in status.late for sentence in late_in_words([late])),
        *(f"Blocks {name}: {sentence}" for name, found in status.blockers.items() for sentence in found),
    ]
