"""What a statement's template gets: plain typed values, so that whoever changes the template need not know the models."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from charges.money import ZERO, minor_unit, round_to_currency


def printed_discount(list_amount: Decimal, due_amount: Decimal, currency: str) -> Decimal:
    """Amount due less list price as both are printed, so that the row adds up; exact where one is below a coin."""
    if any(0 < abs(amount) < minor_unit(currency) for amount in (list_amount, due_amount)):
        return due_amount - list_amount
    return round_to_currency(due_amount, currency) - round_to_currency(list_amount, currency)


@dataclass(frozen=True, slots=True)
class Institution:
    name: str
    address: list[str]  # its lines
    contact: str
    logo: str  # a file of the template folders, or empty


@dataclass(frozen=True, slots=True)
class Discount:
    """One part of what was taken off; `funder` only where somebody is named who pays it."""

    kind: str  # negotiated, subsidy, discount, adjustments
    amount: Decimal
    funder: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """`24 Hours`, and what one costs by list where quantity × price makes the list amount."""

    quantity: str
    unit_price: Decimal | None


@dataclass(frozen=True, slots=True)
class Line:
    source: str
    service: str
    fund: str  # with its percent, where a split divides the line
    list_amount: Decimal
    due_amount: Decimal
    reason: str = ""
    share_of: Decimal | None = None  # of a share of tax, support and the like: the amount that was divided
    usage: Usage | None = None  # where the charges behind agree on a unit
    rounded_away: Decimal = ZERO  # what the charges come to exactly, where the line says nothing but is not nothing

    @property
    def discount(self) -> Decimal:
        return self.due_amount - self.list_amount

    @property
    def share_percent(self) -> str:
        """Of what was divided, to a tenth; empty where the line is no share, or a share of nothing due."""
        return f"{self.due_amount / self.share_of * 100:.1f}" if self.share_of else ""


@dataclass(frozen=True, slots=True)
class FundTotal:
    code: str
    due_amount: Decimal


@dataclass(frozen=True, slots=True)
class Bar:
    service: str
    list_amount: Decimal
    due_amount: Decimal
    list_width: int
    due_width: int


@dataclass(frozen=True, slots=True)
class TrendMonth:
    """A month by its current statements; heights are thousandths of the chart's."""

    month: str
    initial: str
    list_amount: Decimal
    due_amount: Decimal
    list_height: int
    due_height: int


@dataclass(frozen=True, slots=True)
class FiscalYear:
    """The sums from its first month to this one."""

    first_month: str
    list_amount: Decimal
    due_amount: Decimal


@dataclass(frozen=True, slots=True)
class History:
    trend: list[TrendMonth]  # twelve months, this one last; none where it is the first with a statement
    previous: TrendMonth | None  # the month before, where it had a statement
    fiscal_year: FiscalYear | None  # where an earlier month of it had a statement


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of the project; of a fund that ends within half a year, or has ended."""

    what: str
    last_day: date
    days: int  # left after the day of issue; negative where it has ended
    warning: int | None  # 180, 90 or 30 days; 0: ended; nothing: it is further away


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """A charge, or all charges of a resource; amounts are exact, so smaller than a coin at times.

    The discount is what the two printed amounts differ by.
    """

    when: str
    resource: str
    service: str
    description: str
    usage: Usage | None
    list_amount: Decimal
    discount: Decimal
    due_amount: Decimal
    charges: int = 1
    converted: str = ""  # its price in the foreign currency it came in, times the rate


@dataclass(frozen=True, slots=True)
class Rest:
    """Charges that are not listed: their number and their sums."""

    charges: int
    list_amount: Decimal
    discount: Decimal
    due_amount: Decimal
    unconverted: int = 0  # in another currency without a rate yet: in the number, not in the sums


@dataclass(frozen=True, slots=True)
class Detail:
    rows: list[ChargeRow]
    charges: int
    folded_by: str  # empty: one row a charge; else "resource and day" or "resource"
    rest: Rest | None


@dataclass(frozen=True, slots=True)
class Reference:
    label: str
    values: list[str]


@dataclass(frozen=True, slots=True)
class StatementContext:
    is_draft: bool  # a preview: it may still change, and has no number
    page_size: str  # A4 or Letter
    language: str  # en-US
    institution: Institution
    number: str  # S-000123; of a draft empty
    revision: int  # 1 for the first
    month: str  # 2025-01; in words by the filter month
    issued_at: datetime | None
    currency: str
    pi_name: str
    pi_email: str
    department: str  # of the project, else of the PI; may be empty
    project_code: str
    project_name: str
    references: list[Reference]
    list_amount: Decimal
    due_amount: Decimal
    discounts: list[Discount]
    provider_credits: Decimal  # negative; part of what was negotiated
    lines: list[Line]
    adjustments: list[Line]
    funds: list[FundTotal]
    bars: list[Bar]  # of the largest services; none where there is only one
    services: int  # how many there are, of which bars show the largest
    history: History
    endings: list[Ending]
    detail: Detail
    held: Rest | None  # charges of the project that are under review and not billed yet
    dispute_until: date | None  # the last day to object, where the institution sets one
    portal_url: str  # of this statement's page
    charges_url: str  # where the same file is on that page; empty before the statement has a number
    charges_file: str  # the name of the file that the PDF carries: every charge with its exact amounts
    seal_head: str  # of the ledger when it was issued; empty before the first seal

    @property
    def discount(self) -> Decimal:
        return self.due_amount - self.list_amount
