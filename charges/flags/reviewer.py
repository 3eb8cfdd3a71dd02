"""Applies the flags to the rows of one source."""

from datetime import date

from charges.flags.allowing import AllowList
from charges.flags.delivered import (
    Aging,
    ForeignCurrency,
    MatchesPattern,
    NoListPrice,
    PeriodMismatch,
    PurchaseCosts,
)
from charges.flags.flag import Facts, RowFlag
from charges.flags.payer import FundExpired, FundFormat, FundUnlisted, MissingFund, MissingPI, MissingProject
from charges.models import ReviewRule, ReviewSettings, Source
from charges.patterns import compiled


class Reviewer:
    """By the settings and review rules in force when it is made."""

    def __init__(self, source: Source) -> None:
        rules = [rule for rule in ReviewRule.objects.filter(is_active=True) if rule.source_id in (None, source.pk)]
        formats = [compiled(rule.pattern) for rule in rules if rule.kind == ReviewRule.Kind.FUND_FORMAT]
        patterns = [compiled(rule.pattern, ignores_case=True) for rule in rules if rule.kind == ReviewRule.Kind.PATTERN]
        self.settings = ReviewSettings.in_force()
        self.allow_list = AllowList(is_on=self.settings.has_allow_list)
        self.fund_format, self.fund_expired = FundFormat(formats), FundExpired()
        self.pattern = MatchesPattern(patterns)
        self.of_payer: list[RowFlag] = [MissingPI(), MissingProject()]
        self.of_row: list[RowFlag] = [
            PeriodMismatch(), ForeignCurrency(), NoListPrice(), PurchaseCosts(), self.pattern, Aging(),
        ]  # fmt: skip

    def flags(self, row: Facts) -> dict[str, str]:
        """Flag → reason; empty for a row that needs nobody's attention."""
        found = {flag.name: reason for flag in self.of_payer if (reason := flag.reason(row))}
        if not row.funds.is_split:
            found |= self._fund_flags(
                row.funds.fund_code, row.funds.expired_on, row.funds.unlisted, has_due=row.has_due
            )
        return found | {flag.name: reason for flag in self.of_row if (reason := flag.reason(row))}

    def fund_flags(self, fund: str, day: date | None, expired_on: date | None, *, has_due: bool) -> dict[str, str]:
        """Of a charge of that day that no split divides."""
        return self._fund_flags(fund, expired_on, self.allow_list.objection(fund, day), has_due=has_due)

    def by_rules(
        self, fund: str, day: date | None, names: tuple[str, str, str], old_day: date | None, month: str
    ) -> dict[str, str]:
        """What rules, the allow-list and the age say, of a charge that was loaded before they changed."""
        reasons = {
            FundFormat.name: self.fund_format.reason(fund) if fund else "",
            FundUnlisted.name: self.allow_list.objection(fund, day),
            MatchesPattern.name: self.pattern.of(names),
            Aging.name: Aging.of(old_day, month),
        }
        return {name: reason for name, reason in reasons.items() if reason}

    def _fund_flags(self, fund: str, expired_on: date | None, unlisted: str, *, has_due: bool) -> dict[str, str]:
        """A code that is named is judged whatever is due: statements print it."""
        if not fund:
            return MissingFund.because("No tag, rule or project default names a fund.") if has_due else {}
        reasons = {
            FundExpired.name: self.fund_expired.reason(fund, expired_on) if has_due else "",
            FundFormat.name: self.fund_format.reason(fund),
            FundUnlisted.name: unlisted,
        }
        return {name: reason for name, reason in reasons.items() if reason}
