"""Which tables a finalized month freezes, and the way from a row of each to its months."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Field, Model, UniqueConstraint

from charges import models as charges
from periods.models import BillingPeriod
from statements import models as statements

PREFIX = "ocb_guard_"
WAYS: dict[type[Model], str] = {
    charges.FocusImport: "scopes__period",
    charges.ImportScope: "period",
    charges.ReceivedFile: "focus_import__scopes__period",
    charges.ImportIssue: "period",
    charges.ExchangeRate: "period",
    charges.SourceWaiver: "period",
    charges.Charge: "period",
    charges.Correction: "period",
    charges.CreditCampaign: "period",
    charges.Adjustment: "period",
    charges.AdjustmentAttachment: "adjustment__period",
    charges.Dispute: "period",
    charges.DisputeMessage: "dispute__period",
    charges.DisputeAttachment: "message__dispute__period",
    statements.Statement: "period",
    statements.StatementLine: "statement__period",
    statements.ArchivedDocument: "period",
    statements.Journal: "period",
    statements.JournalLine: "journal__period",
    statements.RuleInForce: "period",
    statements.Seal: "period",
}


@dataclass(frozen=True, slots=True)
class Hop:
    """One join on the way: `table.column` equals `from_column` of the row before."""

    table: str
    column: str
    from_column: str


def hops(model: type[Model]) -> list[Hop]:
    """The joins from a row to `periods_billingperiod`, which is the last of them."""
    found: list[Hop] = []
    for name in WAYS[model].split("__"):
        relation: Any = model._meta.get_field(name)
        (near, far), model = _joined_columns(relation), relation.related_model
        found.append(Hop(model._meta.db_table, far, near))
    return found


def unique_keys(model: type[Model]) -> Iterator[list[Any]]:
    """Columns that find another row which SQLite's REPLACE would delete unseen.

    A key that holds the first column of the way is left out: with it, the new row is in the same month.
    """
    first = hops(model)[0].from_column if model in WAYS else None
    for key in _all_keys(model):
        if first not in key or key == ["id"]:
            yield key


def tables() -> list[str]:
    models: list[type[Model]] = [*WAYS, BillingPeriod]
    return [model._meta.db_table for model in models]


def _joined_columns(relation: Any) -> tuple[str, str]:
    if isinstance(relation, Field):
        (near, far) = relation.related_fields[0]  # type: ignore[attr-defined]
        return near.column, far.column
    (far, near) = relation.field.related_fields[0]
    return near.column, far.column


def _all_keys(model: type[Model]) -> Iterator[list[Any]]:
    for field in model._meta.concrete_fields:
        if field.unique:
            yield [field.column]
    for constraint in model._meta.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield [model._meta.get_field(name).column for name in constraint.fields]  # type: ignore[union-attr]
