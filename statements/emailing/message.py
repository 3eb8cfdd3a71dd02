"""The mail that a PI or a delegate gets: all projects' figures in words, the PDFs attached or linked."""

from collections.abc import Sequence
from dataclasses import fields, replace

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.urls import reverse
from django.utils import timezone

from periods.errors import Refused
from periods.notices import one_line
from statements.emailing.context import MailContext, ProjectFigures, totals
from statements.emailing.tracking import reference
from statements.models import EmailDelivery, Statement
from statements.rendering.composing import fund_totals, institution
from statements.templating import render

MEGABYTE = 1_000_000
Kind = EmailDelivery.Kind


def compose_message(delivery: EmailDelivery, statements: Sequence[Statement]) -> EmailMultiAlternatives:
    """Raises Refused where the address is none, a PDF is not what was archived, or there is nothing to say."""
    require_address(delivery.recipient)
    if not statements:
        raise Refused("There is no statement to send.")
    context = context_of(statements, recipient=delivery.recipient, kind=delivery.kind, sent_to=_delegates(delivery))
    subject, text, html = _parts("reminder" if delivery.kind == Kind.REMINDER else "statement", context)
    message = EmailMultiAlternatives(
        subject=subject,
        body=text,
        to=[delivery.recipient],
        reply_to=[settings.REPLY_TO_EMAIL] if settings.REPLY_TO_EMAIL else None,
        headers=_headers(delivery),
    )
    message.attach_alternative(html, "text/html")
    # For providers: what their reports are told by; and no pixel, no link of theirs in a mail about money
    message.metadata = reference(delivery)  # type: ignore[attr-defined]
    message.track_opens = message.track_clicks = False  # type: ignore[attr-defined]
    if context.are_attached:
        for statement in statements:
            message.attach(statement.file_name, statement.document.read(), "application/pdf")
    return message


def require_address(address: str) -> None:
    try:
        validate_email(address)
    except ValidationError as error:
        raise Refused(f"{address!r} is no e-mail address.") from error


def preview(statements: Sequence[Statement]) -> bytes:
    """Subject, HTML and text that the PI would get, and of the reminder, one below the other as a page; nothing is sent."""
    pi, today = statements[0].pi.email, timezone.localdate()
    mail, reminder = (context_of(statements, recipient=pi, kind=kind) for kind in (Kind.STATEMENTS, Kind.REMINDER))
    objectionable = [replace(one, dispute_until=one.dispute_until or today) for one in reminder.projects]
    parts = [_parts("statement", mail), _parts("reminder", replace(reminder, projects=objectionable))]
    return render("customizing/mail.html", autoescape=True, mails=parts).encode()


def context_of(
    statements: Sequence[Statement], *, recipient: str, kind: str, sent_to: Sequence[str] = ()
) -> MailContext:
    """What the templates get for statements of one PI and month."""
    pi, projects = statements[0].pi, [_figures(statement) for statement in statements]
    return MailContext(
        pi_name=pi.name or pi.email,
        pi_email=pi.email,
        recipient=recipient,
        kind=kind,
        month=statements[0].period.month,
        projects=projects,
        totals=totals(projects),
        are_attached=kind != Kind.REMINDER and _fit(statements),
        sent_to=list(sent_to),
        institution=institution(),
        language=settings.LOCALE.replace("_", "-"),
        site_url=settings.SITE_URL,
        reply_to=settings.REPLY_TO_EMAIL,
    )


def _parts(name: str, context: MailContext) -> tuple[str, str, str]:
    """Subject, text and HTML."""
    values = {field.name: getattr(context, field.name) for field in fields(context)}
    subject = render(f"emails/{name}-subject.txt", autoescape=False, **values)
    text = render(f"emails/{name}-body.txt", autoescape=False, **values)
    return one_line(subject), text, render(f"emails/{name}-body.html", autoescape=True, **values)


def _figures(statement: Statement) -> ProjectFigures:
    return ProjectFigures(
        name=statement.project_name or statement.project_code,
        printed_number=statement.printed_number,
        currency=statement.currency,
        list_amount=statement.list_amount,
        discount=statement.discount,
        adjustments=statement.adjustments,
        due_amount=statement.due_amount,
        funds=fund_totals(statement.lines.select_related("funding_account")),
        dispute_until=statement.dispute_until,
        url=settings.SITE_URL + reverse("portal:statement", args=[statement.number]),
        pdf_url=settings.SITE_URL + reverse("portal:pdf", args=[statement.number]),
    )


def _fit(statements: Sequence[Statement]) -> bool:
    return sum(statement.document.size for statement in statements) <= settings.MAIL_ATTACHMENTS_MB * MEGABYTE


def _delegates(delivery: EmailDelivery) -> list[str]:
    if delivery.kind != Kind.STATEMENTS:
        return []
    others = EmailDelivery.objects.filter(period=delivery.period_id, pi=delivery.pi_id, kind=Kind.DELEGATE)
    carrying = others.filter(statements__in=delivery.statements.all())
    return list(carrying.order_by("recipient").values_list("recipient", flat=True).distinct())


def _headers(delivery: EmailDelivery) -> dict[str, str]:
    return {
        "Message-ID": f"<statements-{delivery.pk}-{delivery.content_key[:16]}@{settings.MAIL_DOMAIN}>",
        "X-OpenChargeback-Delivery": str(delivery.pk),
        "Auto-Submitted": "auto-generated",
    }
