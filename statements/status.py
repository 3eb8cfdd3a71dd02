"""Where a month stands, in one answer: for cron, and for people on a terminal."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from charges.importing.loading.late import not_loaded
from charges.models import Charge
from charges.money import ZERO, round_to_currency
from periods.blockers import checklist
from periods.models import BillingPeriod
from statements.issuing import Figures, figures
from statements.journaling import BOOKED
from statements.models import Journal, JournalLine, Statement


@dataclass(frozen=True, slots=True)
class Status:
    period: BillingPeriod
    charges: int
    figures: Figures
    statements: int
    held: int
    held_due: Decimal
    unconverted: int  # of the held: no exchange rate, so that they are not in held_due
    debits: Decimal
    credits: Decimal
    acknowledged: bool
    blockers: dict[str, list[str]]
    late: list[dict[str, Any]]  # what files of the closed month, kept and not loaded, would change

    def as_json(self) -> dict[str, Any]:
        """The contract of `period_status --json`."""
        return {
            "period": self.period.month,
            "state": self.period.state,
            "charges": self.charges,
            "flagged": self.held,
            "list": self.printed(self.figures.list),
            "discount": self.printed(self.figures.discount),
            "due": self.printed(self.figures.due),
            "statements": self.statements,
            "held": {"charges": self.held, "due": self.printed(self.held_due)},
            "journal": {
                "debits": self.printed(self.debits),
                "credits": self.printed(self.credits),
                "acknowledged": self.acknowledged,
            },
            "blockers": self.blockers,
            **({"late": self.late} if self.late else {}),
        }

    def printed(self, amount: Decimal) -> str:
        return str(round_to_currency(amount, self.period.currency))


def period_status(period: BillingPeriod) -> Status:
    current = Charge.objects.filter(period=period).current()
    held = current.held().sums()
    booked = Journal.objects.filter(period=period, state__in=BOOKED)
    sums = JournalLine.objects.filter(journal__in=booked).aggregate(debits=Sum("debit"), credits=Sum("credit"))
    return Status(
        period=period,
        charges=current.count(),
        figures=figures(period),
        statements=Statement.objects.filter(period=period).current().count(),
        held=held["charges"],
        held_due=held["due_amount"],
        unconverted=held["unconverted"],
        debits=sums["debits"] or ZERO,
        credits=sums["credits"] or ZERO,
        acknowledged=bool(booked) and all(journal.state == Journal.State.ACKNOWLEDGED for journal in booked),
        blockers={name: _sentences(period, name) for name in ("close", "finalize")},
        late=not_loaded(period.month),
    )


def _sentences(period: BillingPeriod, transition: str) -> list[str]:
    if period.state == BillingPeriod.State.FINALIZED:
        return []
    return [blocker.sentence for blocker in checklist(period, transition) if not blocker.is_warning]
