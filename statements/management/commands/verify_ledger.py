from typing import Any

from periods.blockers import counted
from periods.commands import StageCommand
from periods.errors import Refused
from periods.models import BillingPeriod
from statements.archiving import verify_ledger
from statements.models import Seal


class Command(StageCommand):
    help = "Prove that finalized months are as they were sealed, or name what is not."
    period_is_optional = True

    def run(self, *, period: BillingPeriod | None, **options: Any) -> None:
        findings = verify_ledger(period)
        for sentence in findings:
            self.stderr.write(sentence)
        if findings:
            raise Refused(f"The ledger does not hold: {counted(len(findings), 'finding', 'findings')}.")
        last = Seal.objects.order_by("number").last()
        months = period or counted(Seal.objects.count(), "finalized month", "finalized months")
        self.say(f"Verified {months}. Head of the seal chain: {last.head}" if last else "No month is finalized yet.")
