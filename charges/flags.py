"""Reasons to look at a charge before anyone is billed. Each flag has a name and a sentence for humans."""

from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from charges.models import ReviewRule, Source
from charges.patterns import compiled

PAYER_FLAGS = ("missing_fund", "fund_format", "expired")

LABELS = {
    "missing_pi": "No PI",
    "missing_project": "No project",
    "missing_fund": "No fund",
    "fund_format": "Fund code format",
    "expired": "Fund expired",
    "period_mismatch": "Other billing period",
    "pattern": "Matches a pattern",
    "foreign_currency": "Foreign currency",
    "no_list_price": "No list price",
    "purchase_costs": "Commitment purchase",
    "changed_after_approval": "Changed after approval",
    "divided": "Divided, unclear",
    "late": "Late",
    "deferred_twice": "Deferred again",
}


class Named(Protocol):
    """Who pays, as tags and rules say."""

    @property
    def pi_email(self) -> str: ...
    @property
    def unusable_email(self) -> str: ...
    @property
    def project_code(self) -> str: ...


class Funded(Protocol):
    """What pays."""

    @property
    def fund_code(self) -> str: ...
    @property
    def is_split(self) -> bool: ...
    @property
    def expired_on(self) -> date | None: ...


class Facts(NamedTuple):
    """What the flags look at, of one row."""

    payer: Named
    funds: Funded
    has_due: bool
    month: str
    stated_month: str
    currency: str
    period_currency: str
    category: str
    has_list: bool
    has_odd_purchase_costs: bool
    names: tuple[str, str, str]


class Reviewer:
    """Applies the built-in flags and the institution's review rules to the rows of one source."""

    def __init__(self, source: Source) -> None:
        self.formats: list[Any] = []
        self.patterns: list[Any] = []
        for rule in ReviewRule.objects.filter(is_active=True):
            if rule.source_id in (None, source.pk):
                target = self.formats if rule.kind == ReviewRule.Kind.FUND_FORMAT else self.patterns
                target.append(compiled(rule.pattern, ignores_case=target is self.patterns))
        self.fund_matches = lru_cache(maxsize=10_000)(self._fund_matches)
        self.pattern_in = lru_cache(maxsize=10_000)(self._pattern_in)

    def flags(self, row: Facts) -> dict[str, str]:
        """Flag → reason; empty for a row that needs nobody's attention."""
        found: dict[str, str] = {}
        if not row.payer.pi_email:
            problem = f"The tag pi_email says “{row.payer.unusable_email[:60]}”, which is no address."
            found["missing_pi"] = problem if row.payer.unusable_email else "No tag or rule names a PI."
        if not row.payer.project_code:
            found["missing_project"] = "No tag or rule names a project."
        if row.has_due and not row.funds.is_split:
            found |= self.fund_flags(row.funds.fund_code, row.funds.expired_on)
        if row.stated_month != row.month:
            found["period_mismatch"] = f"The file says {row.stated_month}."
        if row.currency != row.period_currency:
            found["foreign_currency"] = f"Billed in {row.currency}; the month is kept in {row.period_currency}."
        if not row.has_list and row.category in ("Usage", ""):
            found["no_list_price"] = "The file states no usable list price, so no discount can be shown."
        if row.has_odd_purchase_costs:
            found["purchase_costs"] = (
                "A commitment purchase should have an effective cost of 0: it would be billed twice."
            )
        if self.patterns and (pattern := self.pattern_in(row.names)):
            found["pattern"] = f"A name matches “{pattern}”."
        return found

    def fund_flags(self, fund: str, expired_on: date | None) -> dict[str, str]:
        """Of a charge with something due that no split divides."""
        if not fund:
            return {"missing_fund": "No tag, rule or project default names a fund."}
        found = {}
        if expired_on:
            found["expired"] = f"{fund} could be charged until {expired_on}."
        if self.formats and not self.fund_matches(fund):
            found["fund_format"] = f"{fund} is not in the configured format."
        return found

    def _fund_matches(self, fund: str) -> bool:
        return any(form.search(fund) for form in self.formats)

    def _pattern_in(self, names: tuple[str, str, str]) -> str:
        return next((p.pattern for p in self.patterns for name in names if name and p.search(name)), "")
