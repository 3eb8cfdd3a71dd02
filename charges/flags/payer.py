"""Flags about who pays."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from charges.flags.flag import Facts, Flag, RowFlag


class MissingPI(RowFlag):
    name, label = "missing_pi", "No PI"
    about = "No tag or rule names a PI, or the tag holds no address."

    def reason(self, row: Facts) -> str:
        if row.payer.pi_email:
            return ""
        unusable = row.payer.unusable_email[:60]
        return f"The tag pi_email says “{unusable}”, which is no address." if unusable else "No tag or rule names a PI."


class MissingProject(RowFlag):
    name, label = "missing_project", "No project"
    about = "No tag or rule names a project."

    def reason(self, row: Facts) -> str:
        return "" if row.payer.project_code else self.about


class MissingFund(Flag):
    name, label = "missing_fund", "No fund"
    about = "Something is due, and no tag, rule or project default names a fund."


class FundFormat(Flag):
    """Of several formats, the code matches one."""

    name, label = "fund_format", "Fund code format"
    about = "The fund code is in none of the formats of the review rules."

    def __init__(self, formats: Sequence[Any]) -> None:
        self.formats = formats
        self.matches = lru_cache(maxsize=10_000)(self._matches)

    def reason(self, fund: str) -> str:
        return f"{fund} is not in the configured format." if self.formats and not self.matches(fund) else ""

    def _matches(self, fund: str) -> bool:
        return any(form.search(fund) for form in self.formats)


class FundUnlisted(Flag):
    name, label = "fund_unlisted", "Fund not allowed"
    about = "The fund code is not in the allow-list, or the charge lies outside its dates there."


class FundExpired(Flag):
    name, label = "expired", "Fund expired"
    about = "The charge lies outside the dates of its fund, or after the end date of its project."

    def reason(self, fund: str, expired_on: date | None) -> str:
        return f"{fund} could be charged until {expired_on}." if expired_on else ""


MISSING = (MissingPI.name, MissingProject.name, MissingFund.name)
PAYER_FLAGS = (MissingFund.name, FundFormat.name, FundUnlisted.name, FundExpired.name)
