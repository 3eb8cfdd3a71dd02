from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from periods.blockers import counted
from periods.commands import StageCommand
from periods.errors import Refused
from periods.models import BillingPeriod
from statements.reconciling import Reconciliation, reconcile


class Command(StageCommand):
    help = "Reconcile a month as CSV, from the provider's bill to the journals; exit 1 where a step does not add up."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="one JSON object in place of CSV")
        form.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")

    def run(self, *, period: BillingPeriod, json: bool, output: Path | None, **options: Any) -> None:
        found = reconcile(period)
        if json:
            self.say_json(found.as_json())
        elif output:
            _write(output, found)
            self.say(f"{period}: {found.verdict}. Written to {output}.")
        else:
            self.stdout.write(found.as_csv(), ending="")
        if found.wrong:
            steps = counted(found.wrong, "step does", "steps do")
            raise Refused(f"{period} does not reconcile: {steps} not add up.")


def _write(output: Path, found: Reconciliation) -> None:
    try:
        output.write_text(found.as_csv(), newline="")
    except OSError as error:
        raise Refused(f"{output} cannot be written ({error.strerror}).") from error
