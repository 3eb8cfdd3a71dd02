"""Flags about what a row says."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from charges.flags.flag import Facts, RowFlag
from periods.calendar import in_words


class PeriodMismatch(RowFlag):
    name, label = "period_mismatch", "Other billing period"
    about = "The file says another billing period than the month it was loaded into."

    def reason(self, row: Facts) -> str:
        return f"The file says {row.stated_month}." if row.stated_month != row.month else ""


class ForeignCurrency(RowFlag):
    name, label = "foreign_currency", "Foreign currency"
    about = "It is billed in another currency than the month; approval asks for an exchange rate."

    def reason(self, row: Facts) -> str:
        if row.currency == row.period_currency:
            return ""
        return f"Billed in {row.currency}; the month is kept in {row.period_currency}."


class NoListPrice(RowFlag):
    name, label = "no_list_price", "No list price"
    about = "Usage without a list price that can be used, in a file that has list prices."

    def reason(self, row: Facts) -> str:
        is_missing = not row.has_list and row.category in ("Usage", "")
        return "The file states no usable list price, so no discount can be shown." if is_missing else ""


class PurchaseCosts(RowFlag):
    name, label = "purchase_costs", "Commitment purchase"
    about = "A commitment purchase has an effective cost, or none at all: it might be billed twice."

    def reason(self, row: Facts) -> str:
        if not row.has_odd_purchase_costs:
            return ""
        return "A commitment purchase should have an effective cost of 0: it would be billed twice."


class MatchesPattern(RowFlag):
    name, label = "pattern", "Matches a pattern"
    about = "A service or resource name matches a pattern of the review rules."

    def __init__(self, patterns: Sequence[Any]) -> None:
        self.patterns = patterns
        self.found_in = lru_cache(maxsize=10_000)(self._found_in)

    def reason(self, row: Facts) -> str:
        return self.of(row.names)

    def of(self, names: tuple[str, str, str]) -> str:
        pattern = self.found_in(names) if self.patterns else ""
        return f"A name matches “{pattern}”." if pattern else ""

    def _found_in(self, names: tuple[str, str, str]) -> str:
        return next((p.pattern for p in self.patterns for name in names if name and p.search(name)), "")


class Aging(RowFlag):
    name, label = "aging", "Aging"
    about = "It was deferred twice, or is older than the set number of days when its month begins."

    def reason(self, row: Facts) -> str:
        return self.of(row.old_day, row.month)

    @staticmethod
    def of(old_day: date | None, month: str) -> str:
        return f"It is of {old_day}, long before {in_words(month)}." if old_day else ""
