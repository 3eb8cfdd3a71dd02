"""What a flag is, and what flags look at."""

from datetime import date
from typing import ClassVar, NamedTuple, Protocol


class Flag:
    """A reason to look at a charge before anyone is billed: a name for the database, words for people."""

    name: ClassVar[str]
    label: ClassVar[str]
    about: ClassVar[str]  # when a charge is held for it, as the settings page says

    @classmethod
    def because(cls, reason: str) -> dict[str, str]:
        """As a charge keeps it."""
        return {cls.name: reason}


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
    @property
    def unlisted(self) -> str: ...


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
    old_day: date | None  # where the charge is older than a month should bill


class RowFlag(Flag):
    """One that a row has by itself, when it is delivered."""

    def reason(self, row: Facts) -> str:
        """In words; empty where there is none."""
        raise NotImplementedError
