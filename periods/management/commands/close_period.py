from typing import Any

from periods.blockers import checklist
from periods.commands import StageCommand
from periods.lifecycle import close_period
from periods.models import BillingPeriod


class Command(StageCommand):
    help = "Close a month: no more imports; review, adjustments and statements go on."

    def run(self, *, period: BillingPeriod, by: Any, **options: Any) -> None:
        if period.state != BillingPeriod.State.OPEN:
            return self.say(f"{period} is already {period.get_state_display().lower()}.")
        close_period(period, by=by)
        self.say(f"{period} is closed.")
        for warning in checklist(period, "close"):
            self.say(f"Note: {warning.sentence}")
        return None
