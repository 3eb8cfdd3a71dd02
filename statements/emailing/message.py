"""The mail that a PI gets: all projects' figures in words, the PDFs attached."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.utils.text import slugify

from periods.errors import Refused
from periods.notices import one_line
from statements.models import EmailDelivery, Statement
from statements.rendering.composing import fund_totals, institution
from statements.rendering.context import FundTotal
from statements.templating import render

LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class ProjectFigures:
    """One attached statement, as the mail's templates get it."""

    name: str
    printed_number: str
    currency: str
    list_amount: Decimal
    discount: Decimal
    due_amount: Decimal
    funds: list[FundTotal]
    dispute_until: date | None


def compose_message(delivery: EmailDelivery, statements: Sequence[Statement]) -> EmailMultiAlternatives:
    """Raises Refused where the address is none or a PDF is not what was archived: nothing was sent then."""
    _require_address(delivery.recipient)
    context = {
        "pi_name": delivery.pi.name or delivery.recipient,
        "month": delivery.period.month,
        "projects": [_figures(statement) for statement in statements],
        "institution": institution(),
        "site_url": settings.SITE_URL,
    }
    subject = render("emails/statement-subject.txt", autoescape=False, **context)
    message = EmailMultiAlternatives(
        subject=one_line(subject),
        body=render("emails/statement-body.txt", autoescape=False, **context),
        to=[delivery.recipient],
        reply_to=[settings.REPLY_TO_EMAIL] if settings.REPLY_TO_EMAIL else None,
        headers={
            "Message-ID": f"<statements-{delivery.pk}-{delivery.content_key[:16]}@{settings.MAIL_DOMAIN}>",
            "X-OpenChargeback-Delivery": str(delivery.pk),
            "Auto-Submitted": "auto-generated",
        },
    )
    message.attach_alternative(render("emails/statement-body.html", autoescape=True, **context), "text/html")
    for statement in statements:
        message.attach(_file_name(statement), statement.document.read(), "application/pdf")
    return message


def _figures(statement: Statement) -> ProjectFigures:
    return ProjectFigures(
        name=statement.project_name or statement.project_code,
        printed_number=statement.printed_number,
        currency=statement.currency,
        list_amount=statement.list_amount,
        discount=statement.discount,
        due_amount=statement.due_amount,
        funds=fund_totals(statement.lines.select_related("funding_account")),
        dispute_until=statement.dispute_until,
    )


def _require_address(address: str) -> None:
    try:
        validate_email(address)
    except ValidationError as error:
        raise Refused(f"{address!r} is no e-mail address.") from error


def _file_name(statement: Statement) -> str:
    revision = f"-r{statement.revision}" if statement.revision > 1 else ""
    project = slugify(statement.project_code)[:LONGEST_NAME]
    parts = ["statement", f"S-{statement.number:06d}{revision}", statement.period.month, project]
    return "-".join(filter(None, parts)) + ".pdf"
