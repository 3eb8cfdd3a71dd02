"""A month as canonical lines: one line of JSON a row, in key order, the same bytes whenever the rows are the same.

The fields of a version stand here, not in the models: a month sealed under version 1 is verified under it for ever.
A model that gains a field needs a new version. Decimals have a fixed number of places, instants are in UTC.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import Model, QuerySet

from periods.models import BillingPeriod
from statements.encoding import ENCODER, encode
from statements.guards import WAYS
from statements.models import Seal

FIRST = {
    "periods.BillingPeriod": "id month currency closed_at closed_by_id",
    "charges.FocusImport": (
        "id source_id kind state sha256 target_month rows loaded quarantined flagged added changed removed unchanged totals "
        "warnings change_set created_at created_by_id loaded_at"
    ),
    "charges.ImportScope": "id focus_import_id period_id billing_account_id rows",
    "charges.ReceivedFile": "id focus_import_id position name sha256 size",
    "charges.ImportIssue": (
        "id focus_import_id period_id file_id billing_account_id line_number column raw_value sentence raw_row "
        "billed_cost effective_cost list_cost status replaced_by_id decided_by_id decided_at reason"
    ),
    "charges.ExchangeRate": "id source_id period_id currency rate rate_date origin by_id",
    "charges.SourceWaiver": "id source_id period_id reason by_id",
    "charges.Charge": (
        "id period_id source_id loaded_by_id superseded_by_id replaces_id origin_id kind file_id line_number "
        "identity_digest content_digest billing_account_id sub_account_id sub_account_name billing_currency "
        "billed_cost effective_cost list_cost contracted_cost charge_category charge_class charge_description "
        "charge_period_start charge_period_end commitment_discount_id commitment_discount_status invoice_id "
        "list_unit_price pricing_quantity pricing_unit provider_name resource_id resource_name service_category "
        "service_name sku_id list_amount contracted_amount due_amount exchange_rate_id pi_id project_id "
        "funding_account_id fund_step rule_id account_code funder subsidy_fund reference_1 reference_2 flags "
        "review_status decided_by_id decided_at decision_reason"
    ),
    "charges.Adjustment": (
        "id period_id kind source_id pi_id project_id funding_account_id borne_by_id account_code charge_id "
        "description list_amount due_amount reason created_at created_by_id withdrawn_at"
    ),
    "charges.Dispute": (
        "id period_id pi_id project_id charge_id source_id service_name funding_account_id state adjustment_id "
        "opened_at opened_by_id decided_at"
    ),
    "charges.DisputeMessage": "id dispute_id at by_id text",
    "statements.Statement": (
        "id period_id pi_id project_id number revision state currency pi_name pi_email project_code project_name "
        "department list_amount provider_discount subsidy adjustments due_amount lines_sha256 seal_head issued_at "
        "dispute_until"
    ),
    "statements.StatementLine": (
        "id statement_id kind source_id service_name description account_code funder funding_account_id percent "
        "credit_account credit_fund_id adjustment_id charges list_amount provider_discount subsidy adjustments due_amount"
    ),
    "statements.ArchivedDocument": ("id period_id kind statement_id journal_id template path sha256 size created_at"),
    "statements.Journal": (
        "id period_id number state currency accounting_date reference reason created_at exported_at acknowledged_at"
    ),
    "statements.JournalLine": (
        "id journal_id account funding_account_id account_code source_id debit credit description"
    ),
}

# With append sources, late differences and corrected rows.
SECOND = FIRST | {
    "charges.FocusImport": (
        "id source_id kind state sha256 target_month late_to focus_version rows loaded quarantined late flagged added "
        "changed removed unchanged totals warnings change_set late_months settled_months read_as created_at "
        "created_by_id loaded_at"
    ),
    "charges.ImportScope": ("id focus_import_id period_id late_month billing_account_id rows"),
    "charges.ReceivedFile": ("id focus_import_id position name member sha256 size"),
    "charges.ImportIssue": (
        "id focus_import_id period_id file_id billing_account_id line_number column raw_value sentence raw_row "
        "counted raw_digest correction charge_id billed_cost effective_cost list_cost status replaced_by_id decided_by_id "
        "decided_at reason"
    ),
    "charges.Charge": (
        "id period_id source_id loaded_by_id superseded_by_id replaces_id origin_id kind late_month file_id "
        "line_number identity_digest content_digest reference billing_account_id sub_account_id sub_account_name "
        "billing_currency billed_cost effective_cost list_cost contracted_cost charge_category charge_class "
        "charge_description charge_period_start charge_period_end commitment_discount_id commitment_discount_status "
        "invoice_id list_unit_price pricing_quantity pricing_unit provider_name resource_id resource_name "
        "service_category service_name sku_id list_amount contracted_amount due_amount exchange_rate_id pi_id "
        "project_id funding_account_id fund_step rule_id account_code funder subsidy_fund reference_1 reference_2 "
        "flags review_status decided_by_id decided_at decision_reason"
    ),
}

# With quarantined rows that know the closed month they belong to, the tags that say who pays, what is disputed,
# approvals, corrections, and shared costs.
THIRD = SECOND | {
    "charges.ImportIssue": (
        "id focus_import_id period_id late_month file_id billing_account_id line_number column raw_value sentence raw_row "
        "counted raw_digest correction charge_id billed_cost effective_cost list_cost status replaced_by_id decided_by_id "
        "decided_at reason"
    ),
    "charges.Charge": (
        "id period_id source_id loaded_by_id superseded_by_id replaces_id origin_id kind late_month file_id "
        "line_number identity_digest content_digest payer_digest reference billing_account_id sub_account_id sub_account_name "
        "billing_currency billed_cost effective_cost list_cost contracted_cost charge_category charge_class "
        "charge_description charge_period_start charge_period_end commitment_discount_id commitment_discount_status "
        "invoice_id list_unit_price pricing_quantity pricing_unit provider_name resource_id resource_name "
        "service_category service_name sku_id list_amount contracted_amount due_amount exchange_rate_id pi_id "
        "project_id funding_account_id fund_step rule_id account_code funder subsidy_fund reference_1 reference_2 "
        "flags review_status decided_by_id decided_at decision_reason"
    ),
    "charges.Dispute": (
        "id period_id pi_id project_id charge_id source_id service_name funding_account_id list_amount due_amount state "
        "ground granted_list granted_due adjustment_id opened_at opened_by_id decided_at"
    ),
    "charges.DisputeMessage": "id dispute_id at by_id is_staff is_internal text",
    "charges.DisputeAttachment": "id message_id name content_type path sha256 size",
    "charges.Adjustment": (
        "id period_id kind source_id pi_id project_id funding_account_id borne_by_id account_code charge_id campaign_id "
        "dispute_id reverses_id description list_amount due_amount reason created_at created_by_id needs_approval approved_at approved_by_id "
        "withdrawn_at"
    ),
    "charges.AdjustmentAttachment": "id adjustment_id name content_type path sha256 size",
    "charges.CreditCampaign": (
        "id period_id code description reason source_id service_name first_day last_day pi_id project_id method percent "
        "amount cap charges projects due_amount created_at created_by_id needs_approval approved_at approved_by_id "
        "withdrawn_at"
    ),
    "statements.StatementLine": (
        "id statement_id kind source_id service_name description account_code funder funding_account_id percent "
        "credit_account credit_fund_id adjustment_id charges list_amount provider_discount subsidy adjustments due_amount "
        "shared_amount"
    ),
    "charges.Correction": (
        "id period_id original_id reversal_id rebill_id cause explanation certifier justification is_fund_certified "
        "created_at created_by_id"
    ),
    "statements.RuleInForce": "id period_id kind rule_id version since says",
}

# With who paid before a person said who does.
FOURTH = THIRD | {"charges.Charge": f"{THIRD['charges.Charge']} payer_before"}

FOLDER, SUFFIX = "seals", ".jsonl"
ALGORITHM = 4
VERSIONS: dict[int, dict[str, list[str]]] = {
    number: {table: fields.split() for table, fields in version.items()}
    for number, version in enumerate((FIRST, SECOND, THIRD, FOURTH), start=1)
}


def lines(period: BillingPeriod, algorithm: int = ALGORITHM) -> Iterator[tuple[str, bytes]]:
    """Table and line of everything in the month, a row at a time: memory does not grow with the month."""
    for table, fields in VERSIONS[algorithm].items():
        for line in encode(_rows(apps.get_model(table), period), table, fields):
            yield table, line


def read_line(line: bytes) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line)
    return row


def position(row: dict[str, Any], algorithm: int) -> tuple[int, int]:
    """Where a row stands in the order of `lines`."""
    return list(VERSIONS[algorithm]).index(row["table"]), row["id"]


def head_of(seal: Seal) -> str:
    """The hash of a seal and, through the head of the one before, of all seals before it."""
    content = {
        "previous": seal.previous.head if seal.previous else "",
        "number": seal.number,
        "period": seal.period.month,
        "algorithm": seal.algorithm,
        "lines_sha256": seal.lines_sha256,
        "counts": seal.counts,
        "totals": seal.totals,
        "sealed_at": seal.sealed_at,
        "sealed_by": seal.sealed_by_id,
    }
    return hashlib.sha256(ENCODER.encode(content).encode()).hexdigest()


def path_of(seal: Seal) -> str:
    """The sealed file, in the folder and under the name that `storage.keep` gave it."""
    return f"{FOLDER}/{seal.lines_sha256[:2]}/{seal.lines_sha256}{SUFFIX}"


def _rows(model: type[Model], period: BillingPeriod) -> QuerySet[Any]:
    everything = model._base_manager.all()
    if model is BillingPeriod:
        return everything.filter(pk=period.pk)
    way = WAYS[model]
    if way == "period":
        return everything.filter(period=period)
    return everything.filter(pk__in=everything.filter(**{way: period}).values("pk"))
