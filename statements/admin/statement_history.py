"""What became of a statement: its revisions, and who was sent it."""

from datetime import datetime

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from charges.admin.display import link, table
from charges.money import printed
from statements.models import EmailDelivery, Statement


def revisions(statement: Statement) -> str:
    """All of its number, latest first; this one is no link."""
    found = Statement.objects.filter(number=statement.number).select_related("document").order_by("-revision")
    rows = [
        (
            "This one" if row == statement else link(row, f"Revision {row.revision}"),
            row.get_state_display(),
            _moment(row.issued_at),
            pdf_link(row),
            printed(row.due_amount, row.currency),
        )
        for row in found
    ]
    return table(["Revision", "State", "Issued", "PDF", "Due"], rows, amounts_from=4)


def deliveries(statement: Statement) -> str:
    found = list(EmailDelivery.objects.filter(statements=statement))
    rows = [
        (
            link(mail, mail.recipient),
            mail.get_kind_display(),
            mail.get_status_display(),
            _moment(mail.sent_at),
            mail.error,
        )
        for mail in found
    ]
    return table(["To", "What", "State", "Sent", "What went wrong"], rows) if rows else "Not sent"


def pdf_link(statement: Statement) -> str:
    url = reverse("admin:statements_statement_pdf", args=[statement.pk])
    text = "PDF" if hasattr(statement, "document") else "Draft"
    return format_html('<a href="{}" class="ocb-link" target="_blank">{}</a>', url, text)


def _moment(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}" if at else "—"
