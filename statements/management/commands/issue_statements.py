from typing import Any

from periods.commands import StageCommand
from periods.models import BillingPeriod
from statements.issuing import issue_statements


class Command(StageCommand):
    help = "Issue a closed month's statements; those that changed get a new revision."

    def run(self, *, period: BillingPeriod, by: Any, **options: Any) -> None:
        done = issue_statements(period, by=by)
        self.say(
            f"{period}: {done.issued} issued, {done.revised} revised, {done.unchanged} unchanged, {done.void} void."
        )
