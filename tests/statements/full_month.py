"""A month with a row in every table that sealing guards."""

from datetime import date
from typing import Any

from django.db.models import Model

from charges.models import (
    Adjustment,
    CreditCampaign,
    Dispute,
    DisputeAttachment,
    DisputeMessage,
    ExchangeRate,
    ImportIssue,
    ReceivedFile,
    SourceWaiver,
)
from periods import storage
from periods.models import BillingPeriod
from statements.guards import WAYS
from statements.models import ArchivedDocument, Journal, JournalLine, RuleInForce, Seal
from tests.make import (
    make_charge,
    make_correction,
    make_fund,
    make_import,
    make_line,
    make_period,
    make_pi,
    make_project,
    make_source,
    make_statement,
)


def make_full_month(month: str, name: str) -> BillingPeriod:
    """All sums agree: 100 list, 10 due, posted. Two months share no unique value but those of their period."""
    period, source, fund = make_period(month), make_source(name), make_fund(name)
    payer = {"pi": make_pi(f"{name}@example.edu"), "project": make_project(name)}
    loaded = make_import(period, source)
    kept = storage.keep([b"BilledCost\n"], folder="received", suffix="")
    file = ReceivedFile.objects.create(
        focus_import=loaded, position=int(month[5:]), name="bill.csv", sha256=kept.sha256, size=kept.size
    )
    ImportIssue.objects.create(
        focus_import=loaded, period=period, file=file, line_number=2, sentence="No number.", status="discarded"
    )
    ExchangeRate.objects.create(
        source=source, period=period, currency="EUR", rate="1.1", rate_date=date(2025, 1, 31), origin="ECB"
    )
    SourceWaiver.objects.create(source=source, period=period, reason="not delivered")
    charge = make_charge(period=period, source=source, due_amount="10", funding_account=fund, **payer)
    CreditCampaign.objects.create(
        period=period, code=f"OUTAGE-{name}", description="Outage", reason="agreed by mail", percent=10
    )
    make_correction(period=period, original=charge)
    adjustment = Adjustment.objects.create(
        period=period, kind="credit", description="Agreed", due_amount="0", reason="agreed by mail", **payer
    )
    kept = storage.keep([b"agreed"], folder="adjustments", suffix=".txt")
    adjustment.attachments.create(
        name="letter.txt", content_type="text/plain", path=kept.path, sha256=kept.sha256, size=kept.size
    )
    dispute = Dispute.objects.create(period=period, charge=charge, adjustment=adjustment, state="upheld", **payer)
    message = DisputeMessage.objects.create(dispute=dispute, text="These nodes are not ours.")
    kept = storage.keep([b"our nodes"], folder="disputes", suffix=".txt")
    DisputeAttachment.objects.create(
        message=message, name="nodes.txt", content_type="text/plain", path=kept.path, sha256=kept.sha256, size=kept.size
    )
    _make_documents(period, name, fund, payer)
    _make_rule(period)
    return period


def _make_rule(period: BillingPeriod) -> None:
    number = int(period.month[5:])
    RuleInForce.objects.create(
        period=period, kind="review rule", rule_id=1, version=number, since="2025-01-01T00:00Z", says={"pattern": "gpu"}
    )


def _make_documents(period: BillingPeriod, name: str, fund: Any, payer: dict[str, Any]) -> None:
    source = make_source(name)
    statement = make_statement(period=period, due_amount="10", **payer)
    make_line(statement, source=source, due_amount="10", funding_account=fund, credit_account=name, account_code="5")
    journal = Journal.objects.create(
        period=period,
        number=int(period.month[5:]),
        currency="USD",
        accounting_date=date(2025, 1, 31),
        state="acknowledged",
    )
    posted = {"journal": journal, "account_code": "5", "source": source, "description": "January"}
    JournalLine.objects.create(account=name, funding_account=fund, debit="10", **posted)
    JournalLine.objects.create(account=name, credit="10", **posted)
    for kind, document in (("journal", journal), ("statement", statement)):
        kept = storage.keep([f"{kind} {name}".encode()], folder="documents", suffix=".txt")
        ArchivedDocument.objects.create(
            period=period, kind=kind, template=kind, path=kept.path, sha256=kept.sha256, size=kept.size,
            **{kind: document},
        )  # fmt: skip


def row_of(model: type[Model], period: BillingPeriod) -> Any:
    """The first row of the table in that month."""
    return model._base_manager.filter(**{WAYS[model]: period}).order_by("pk")[0]


def make_seal(period: BillingPeriod) -> Seal:
    number = Seal.objects.count() + 1
    return Seal.objects.create(
        period=period, number=number, algorithm=1, head=f"head {number}", counts={}, totals={},
        sealed_at="2025-02-03T00:00Z", previous=Seal.objects.order_by("number").last(),
    )  # fmt: skip
