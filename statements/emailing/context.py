"""What the templates of mails get. This is their documentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from charges.money import total
from statements.rendering.context import FundTotal, Institution


@dataclass(frozen=True, slots=True)
class Figures:
    """List price, discount (negative, adjustments included) and amount due; they always add up."""

    currency: str
    list_amount: Decimal
    discount: Decimal
    adjustments: Decimal  # what of the discount they are: where it is not zero the discount is named for both
    due_amount: Decimal


@dataclass(frozen=True, slots=True)
class ProjectFigures(Figures):
    """One statement."""

    name: str
    printed_number: str
    funds: list[FundTotal]
    dispute_until: date | None
    url: str  # of the statement in the portal, for those who sign in there
    pdf_url: str


@dataclass(frozen=True, slots=True)
class MailContext:
    pi_name: str
    pi_email: str
    recipient: str
    kind: str  # statements (to the PI), delegate, reminder, copy
    month: str  # 2025-01
    projects: list[ProjectFigures]
    totals: list[Figures]  # one for each currency
    are_attached: bool  # the PDFs; else they are too large, and only linked
    sent_to: list[str]  # delegates who get their projects' statements in messages of their own
    institution: Institution
    language: str
    site_url: str
    reply_to: str  # whom to write to, or empty


def totals(projects: Sequence[ProjectFigures]) -> list[Figures]:
    by_currency: dict[str, list[ProjectFigures]] = {}
    for project in projects:
        by_currency.setdefault(project.currency, []).append(project)
    return [
        Figures(
            currency=currency,
            list_amount=total([project.list_amount for project in found]),
            discount=total([project.discount for project in found]),
            adjustments=total([project.adjustments for project in found]),
            due_amount=total([project.due_amount for project in found]),
        )
        for currency, found in by_currency.items()
    ]
