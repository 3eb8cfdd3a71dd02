"""Rows that could not be used: kept as they came, until somebody corrects them, or discards them with a reason."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from charges.focus import Header, values
from charges.importing.checking.rows import CURRENCY, LONGEST_ACCOUNT, BadRow, RowReader
from charges.models import ImportIssue
from charges.money import from_billionths, to_billionths
from periods import audit
from periods.duties import IMPORTING
from periods.lifecycle import require_permission, require_reason
from periods.models import BillingPeriod

MOST_EXTRA = 100  # cells beyond the header that are kept with the row; the file has the others


def issue(header: Header, bad: BadRow, line: int, cells: list[str]) -> ImportIssue:
    """What is known of a bad row by itself; unsaved."""
    return ImportIssue(
        line_number=line,
        column=bad.column,
        raw_value=_text(bad.value[:2000]),
        sentence=bad.sentence,
        raw_row=_raw(header, cells),
        **_amounts(bad),
    )


def account(reader: RowReader, cells: list[str]) -> str | None:
    """None where the row's cells are not under their columns, so that it may be any account's."""
    has_shape = len(cells) == len(reader.header.names)
    return values.account(_text(reader.cell(cells, "BillingAccountId")[:LONGEST_ACCOUNT])) if has_shape else None


def currency(reader: RowReader, cells: list[str]) -> str:
    """Empty where the row's amounts belong to none."""
    has_shape = len(cells) == len(reader.header.names)
    code = (reader.cell(cells, "BillingCurrency").strip().upper() if has_shape else "") or settings.CURRENCY
    return code if CURRENCY.fullmatch(code) else ""


@transaction.atomic
def discard_issues(issues: QuerySet[ImportIssue], *, reason: str, by: Any = None) -> int:
    """Decide that undecided rows are billed to nobody. They and the reason stay on record."""
    require_permission(by, "charges.discard_importissue", "discard quarantined rows")
    reason = require_reason(reason)
    undecided = issues.filter(status=ImportIssue.Status.OPEN)
    IMPORTING.require_person(by)
    if IMPORTING.are_separate and undecided.filter(focus_import__created_by=by).exists():
        IMPORTING.require_other(by, than=by.pk, what="imported some of these rows")
    for pk in sorted(set(undecided.values_list("period", flat=True))):
        period = BillingPeriod.objects.lock_unsealed(pk)
        rows = list(undecided.filter(period=period).values_list("pk", flat=True))
        audit.record(
            by=by,
            action="discard rows",
            subject=f"{len(rows)} quarantined rows",
            period=period,
            rows=len(rows),
            before={"open": rows},
            reason=reason,
        )
    return undecided.update(
        status=ImportIssue.Status.DISCARDED, decided_by=by, decided_at=timezone.now(), reason=reason
    )


def _raw(header: Header, cells: list[str]) -> dict[str, str]:
    """The row as it came, by column; missing cells are empty, and the first beyond the header are numbered."""
    cells = cells[: len(header.names) + MOST_EXTRA]
    names = [*header.names, *(f"cell {n + 1}" for n in range(len(header.names), len(cells)))]
    padded = [*cells, *[""] * (len(names) - len(cells))]
    return {name: _text(cell) for name, cell in zip(names, padded, strict=True)}


def _text(text: str) -> str:
    """PostgreSQL holds no NUL character."""
    return text.replace("\x00", "�")


def _amounts(bad: BadRow) -> dict[str, Decimal | None]:
    """As the database holds them."""
    columns = {"billed_cost": "BilledCost", "effective_cost": "EffectiveCost", "list_cost": "ListCost"}
    found = {field: bad.amounts.get(column) for field, column in columns.items()}
    return {
        field: None if amount is None else from_billionths(to_billionths(amount)) for field, amount in found.items()
    }
