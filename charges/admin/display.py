"""How amounts, links and the audit trail look on admin pages."""

from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from charges.importing.correcting import cells_left_out
from charges.models import ImportIssue
from charges.money import printed, round_to_currency
from periods.models import AuditEntry


def money_column(
    value: str | Callable[[Any], Decimal | None], description: str, *, currency: str = ""
) -> Callable[[Any, Any], str]:
    """An amount, of a field or computed, in the period's currency unless the row has its own.

    Rounded to coins, with every digit on hovering; what is less than a coin is never shown as zero.
    """
    read = value if callable(value) else lambda row: getattr(row, value)

    @display(description=description, ordering=value if isinstance(value, str) else None)
    def column(_admin: Any, row: Any) -> str:
        amount = read(row)
        if amount is None:
            return "—"
        unit = getattr(row, currency) if currency else row.period.currency
        coins = round_to_currency(amount, unit)
        return format_html('<span title="{}">{}</span>', printed(amount, unit), printed(coins or amount, unit))

    return column


def link(row: Model, text: str = "") -> str:
    url = reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])
    return format_html('<a href="{}" class="ocb-link">{}</a>', url, text or row)


def audit_list(row: Model) -> str:
    """Who did what to this very row, latest first."""
    entries = AuditEntry.objects.filter(
        subject_model=row._meta.label_lower,
        subject_id=row.pk,
    ).select_related("by")
    lines = (
        (
            timezone.localtime(entry.at).strftime("%Y-%m-%d %H:%M"),
            entry.action.replace("_", " "),
            entry.by or "cron",
            entry.reason,
        )
        for entry in entries
    )
    return format_html("<ul>{}</ul>", format_html_join("", "<li>{} · {} by {}. {}</li>", lines)) if entries else "—"


def corrections(issue: ImportIssue) -> str:
    rows = [(name, issue.raw_row.get(name, ""), text) for name, text in issue.correction.items()]
    dropped = [(name, text, "left out") for name, text in cells_left_out(issue).items()]
    return table(["Column", "As it came", "Corrected"], rows + dropped)


def once(shown: Callable[[Any, Any], str]) -> Callable[[Any, Any], str]:
    """A page asks up to five times for a field that is shown; what costs a look at many rows is kept with the record."""

    @wraps(shown)
    def kept(admin: Any, row: Any) -> str:
        name = f"_shown_{shown.__name__}"
        if name not in row.__dict__:
            row.__dict__[name] = shown(admin, row)
        found: str = row.__dict__[name]
        return found

    return kept


def table(headings: list[str], rows: Any, *, amounts_from: int = 99) -> str:
    """Columns from `amounts_from` on are aligned as figures."""
    looks = ["amount" if index >= amounts_from else "" for index in range(len(headings))]
    head = format_html_join("", '<th scope="col" class="{}">{}</th>', zip(looks, headings, strict=True))
    cells = (format_html_join("", '<td class="{}">{}</td>', zip(looks, row, strict=True)) for row in rows)
    body = format_html_join("", "<tr>{}</tr>", ((row,) for row in cells))
    return format_html(
        '<div class="ocb-scroll"><table class="ocb-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
        head,
        body,
    )
