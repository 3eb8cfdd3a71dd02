"""Whatever column of a sealed month is forged behind the guards, verifying says so, and never breaks over it."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.models import Field

from charges.models import (
    Adjustment,
    Charge,
    CreditCampaign,
    Dispute,
    DisputeAttachment,
    DisputeMessage,
    ExchangeRate,
    ImportIssue,
    ReviewRule,
    SourceWaiver,
)
from periods import storage
from statements import canonical, guards
from statements.archiving import finalize_period, verify_ledger
from statements.models import Seal
from tests.make import make_correction
from tests.statements.sealed import make_ready

pytestmark = pytest.mark.django_db

COLUMNS = [
    (table, field.column)
    for table in (*canonical.VERSIONS[canonical.ALGORITHM], "statements.Seal")
    for field in apps.get_model(table)._meta.concrete_fields
]
UNSEALED = {  # of no weight for what a month says
    ("statements.Seal", "id"),
}


@pytest.fixture
def _no_checks() -> Iterator[None]:
    """PostgreSQL cannot switch its constraints off: what it refuses to forge is passed over there."""
    switch = "PRAGMA ignore_check_constraints = {}" if connection.vendor == "sqlite" else "SELECT '{}'"
    connection.cursor().execute(switch.format("ON"))
    yield
    connection.cursor().execute(switch.format("OFF"))


@pytest.fixture
def sealed_month(_no_checks: None) -> Seal:
    """A row in every table that is sealed."""
    period = make_ready()
    charge = Charge.objects.get()
    payer = {"period": period, "pi": charge.pi, "project": charge.project}
    kept = storage.keep([b"BilledCost\n"], folder="received", suffix="")
    file = charge.loaded_by.files.create(name="bill.csv", sha256=kept.sha256, size=kept.size)
    issue = {"focus_import": charge.loaded_by, "period": period, "file": file, "line_number": 2}
    ImportIssue.objects.create(**issue, sentence="No number.", status="discarded")
    rate = {"currency": "EUR", "rate": "1.1", "rate_date": date(2025, 1, 31), "origin": "ECB"}
    ExchangeRate.objects.create(source=charge.source, period=period, **rate)
    SourceWaiver.objects.create(source=charge.source, period=period, reason="not delivered")
    text = {"description": "Agreed", "reason": "agreed by mail"}
    campaign = CreditCampaign.objects.create(period=period, code="OUTAGE", percent=10, **text)
    of_campaign = {"campaign": campaign, "charge": charge, "source": charge.source}
    adjustment = Adjustment.objects.create(**payer, kind="credit", due_amount=0, **of_campaign, **text)
    kept = storage.keep([b"agreed"], folder="adjustments", suffix=".txt")
    adjustment.attachments.create(
        name="letter.txt", content_type="text/plain", path=kept.path, sha256=kept.sha256, size=kept.size
    )
    make_correction(period=period, original=charge)
    dispute = Dispute.objects.create(**payer, charge=charge, adjustment=adjustment, state="upheld")
    message = DisputeMessage.objects.create(dispute=dispute, text="These nodes are not ours.")
    kept = storage.keep([b"our nodes"], folder="disputes", suffix=".txt")
    DisputeAttachment.objects.create(
        message=message, name="nodes.txt", content_type="text/plain", path=kept.path, sha256=kept.sha256, size=kept.size
    )
    ReviewRule.objects.create(kind="pattern", pattern="gpu")
    seal = finalize_period(period)
    guards.lift()
    return seal


def forged(field: "Field[Any, Any]") -> str:
    kind, column = field.get_internal_type(), connection.ops.quote_name(field.column)
    if kind in {"CharField", "TextField", "EmailField", "StateField"}:
        return f"{column} || 'x'"
    if kind == "JSONField":
        return """'{"a": 1}'"""
    if kind in {"DateField", "DateTimeField"}:
        return "'2001-01-01'" if kind == "DateField" else "'2001-01-01 00:00:00'"
    return f"coalesce({column}, 0) + 1"


def forge(table: str, column: str) -> bool:
    """Whether the database let it happen."""
    model = apps.get_model(table)
    (field,) = (field for field in model._meta.concrete_fields if field.column == column)
    name, quoted = model._meta.db_table, connection.ops.quote_name(column)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE {name} SET {quoted} = {forged(field)} WHERE id = (SELECT min(id) FROM {name})")
            return bool(cursor.rowcount)
    except DatabaseError:
        return False


def test_every_forged_column_is_found(sealed_month):
    known = set(verify_ledger())
    missed, done = set(), 0
    for column in COLUMNS:
        point = transaction.savepoint()
        if forge(*column):
            done += 1
            if set(verify_ledger()) <= known:
                missed.add(column)
        transaction.savepoint_rollback(point)

    assert missed == UNSEALED
    assert done > len(COLUMNS) / 2
