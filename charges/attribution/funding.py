"""Which fund bears a charge once a reviewer has named another project: decided as an import decides it."""

from collections.abc import Iterable
from datetime import date

from charges.flags import PAYER_FLAGS, Reviewer
from charges.models import Charge, FundingAccount, FundingSplit, Project
from charges.models.payers import Mergeable
from periods.calendar import institution_day
from periods.errors import Refused

Step = Charge.FundStep
LASTING = (Step.DECISION, Step.OVERRIDE)  # these stand above a project's split
STATED = (Step.TAG, Step.RULE)  # these stand above a project's default


def last_valid(limits: Iterable[date | None], first: date, end: date) -> date | None:
    """The earliest of the last valid days, where it lies within the days and before the end of them."""
    return min((limit for limit in limits if limit and first <= limit < end), default=None)


def require_standing(*payers: Mergeable | None) -> None:
    """Raises Refused for a PI, project or fund that goes by another name now."""
    for payer in payers:
        if payer and payer.merged_into:
            raise Refused(f"{payer} was merged into {payer.merged_into}: name that one.")


class ProjectFunds:
    """The funds of one project, looked up once for any number of charges."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.splits = list(project.splits.all())
        self._reviewers: dict[int, Reviewer] = {}

    def apply(self, charge: Charge) -> None:
        """Set fund, step and the flags about them."""
        if charge.fund_step in LASTING:
            return
        is_split, expired_on = self.split(charge) is not None, None
        if is_split:
            charge.funding_account, charge.fund_step = None, Step.SPLIT
        else:
            expired_on = self._choose(charge)
        kept = {flag: why for flag, why in charge.flags.items() if flag not in PAYER_FLAGS}
        charge.flags = kept | ({} if is_split else self._flags(charge, expired_on))

    def split(self, charge: Charge) -> FundingSplit | None:
        """The version in force in the month that the charge belongs to; of one service before of all."""
        month = charge.late_month or charge.period.month
        found = [split for split in self.splits if split.pays_for(charge.service_name) and split.is_in_force(month)]
        return max(found, key=lambda split: (split.service_name, split.first_month), default=None)

    def _choose(self, charge: Charge) -> date | None:
        """Set the fund that is stated, else the project's; return the day on which it expired, if it did."""
        if charge.fund_step not in STATED:
            charge.funding_account = self.project.default_fund
            charge.fund_step = Step.PROJECT if charge.funding_account else Step.NONE
        expired_on, fallback = self.expired_on(charge, charge.funding_account), self.project.fallback_fund
        if expired_on and fallback and not self._limit(charge, fallback):
            charge.funding_account, charge.fund_step = fallback, Step.FALLBACK
            return None
        return expired_on

    def _limit(self, charge: Charge, fund: FundingAccount) -> date | None:
        return fund.limit_on(institution_day(charge.charge_period_start)) if charge.charge_period_start else None

    def expired_on(self, charge: Charge, fund: FundingAccount | None) -> date | None:
        """The date that keeps project and fund from bearing the charge; None where both were valid."""
        if charge.charge_period_start is None or fund is None:
            return None
        if self.is_after_end(charge):
            return self.project.end_date
        return fund.limit_on(institution_day(charge.charge_period_start))

    def is_after_end(self, charge: Charge) -> bool:
        """Used after the last day of the project."""
        start, last = charge.charge_period_start, self.project.end_date
        return start is not None and last is not None and institution_day(start) > last

    def _flags(self, charge: Charge, expired_on: date | None) -> dict[str, str]:
        if charge.source_id not in self._reviewers:
            self._reviewers[charge.source_id] = Reviewer(charge.source)
        fund = charge.funding_account
        day = charge.charge_period_start and institution_day(charge.charge_period_start)
        reviewer, code = self._reviewers[charge.source_id], fund.code if fund else ""
        return reviewer.fund_flags(code, day, expired_on, has_due=bool(charge.due_amount))
