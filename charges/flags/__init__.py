"""Reasons to look at a charge before anyone is billed: each a small class with a name, a label and a sentence."""

from charges.flags.delivered import (
    Aging,
    ForeignCurrency,
    MatchesPattern,
    NoListPrice,
    PeriodMismatch,
    PurchaseCosts,
)
from charges.flags.flag import Facts, Flag
from charges.flags.loaded import ChangedAfterApproval, Divided, Late, LikeDecided, UnusualChange
from charges.flags.payer import (
    MISSING,
    PAYER_FLAGS,
    FundExpired,
    FundFormat,
    FundUnlisted,
    MissingFund,
    MissingPI,
    MissingProject,
)
from charges.flags.reviewer import Reviewer

FLAGS: tuple[type[Flag], ...] = (
    MissingPI, MissingProject, MissingFund, FundFormat, FundUnlisted, FundExpired, PeriodMismatch, MatchesPattern,
    ForeignCurrency, NoListPrice, PurchaseCosts, UnusualChange, ChangedAfterApproval, LikeDecided, Divided, Late, Aging,
)  # fmt: skip
BY_RULES = tuple(flag.name for flag in (FundFormat, FundUnlisted, MatchesPattern, Aging, UnusualChange))
LABELS = {flag.name: flag.label for flag in FLAGS}

__all__ = [
    "BY_RULES",
    "FLAGS",
    "LABELS",
    "MISSING",
    "PAYER_FLAGS",
    "Aging",
    "ChangedAfterApproval",
    "Divided",
    "Facts",
    "Late",
    "LikeDecided",
    "Reviewer",
    "UnusualChange",
]
