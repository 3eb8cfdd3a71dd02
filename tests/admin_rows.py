"""One more row of any model that the admin shows, for tests that walk over all of them."""

from datetime import date, timedelta
from itertools import count
from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.utils import timezone

from charges.models import (
    Adjustment,
    AllowedFund,
    AttributionRule,
    CreditCampaign,
    Dispute,
    ExchangeRate,
    FundingSplit,
    ImportIssue,
    ReceivedFile,
    ReviewRule,
    ReviewSettings,
    SourceWaiver,
)
from periods import audit
from statements.models import EmailDelivery, Journal, JournalLine, Seal, Suppression
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

numbers = count(1)


def _month(number: int) -> str:
    """Before all months that tests name."""
    return f"{1900 + number // 12}-{number % 12 + 1:02d}"


def _payer(number: int) -> dict[str, Any]:
    return {"pi": make_pi(f"pi-{number}@example.edu"), "project": make_project(f"project-{number}")}


def _charge(number: int) -> Any:
    return make_charge(
        source=make_source(f"source-{number}"),
        funding_account=make_fund(f"fund-{number}"),
        review_status="held",
        flags={"pattern": "It matches a pattern"},
        **_payer(number),
    )


def _adjustment(number: int) -> Model:
    return Adjustment.objects.create(
        period=make_period(), kind="credit", description=f"Credit {number}", due_amount="-5", reason="Agreed by mail",
        funding_account=make_fund(), **_payer(number),
    )  # fmt: skip


def _campaign(number: int) -> Model:
    campaign = CreditCampaign.objects.create(
        period=make_period(), code=f"OUTAGE-{number}", description="Outage", reason="Agreed by mail", percent=10,
        charges=1, projects=1, due_amount="-5", needs_approval=True,
    )  # fmt: skip
    charge = _charge(number)
    Adjustment.objects.create(
        campaign=campaign, period=charge.period, kind="credit", charge=charge, source=charge.source, pi=charge.pi,
        project=charge.project, description="Outage", reason="Agreed by mail", due_amount="-5", needs_approval=True,
    )  # fmt: skip
    return campaign


def _correction(number: int) -> Model:
    return make_correction(period=make_period(), original=_charge(number))


def _split(number: int) -> Model:
    split = FundingSplit.objects.create(
        project=make_project(f"project-{number}"), first_month="2025-01", remainder_account=make_fund(f"rest-{number}")
    )
    split.shares.create(funding_account=make_fund(f"share-{number}"), percent="40")
    return split


def _dispute(number: int) -> Model:
    dispute = Dispute.objects.create(period=make_period(), source=make_source(), **_payer(number))
    dispute.messages.create(text="These nodes are not ours.")
    return dispute


def _issue(number: int) -> Model:
    loaded = make_import(make_period(), make_source(f"source-{number}"))
    file = ReceivedFile.objects.create(focus_import=loaded, name="january.csv", sha256="0" * 64, size=1)
    return ImportIssue.objects.create(
        focus_import=loaded, period=make_period(), file=file, line_number=number, sentence="ListCost is no number."
    )


def _statement(number: int) -> Any:
    statement = make_statement(**_payer(number), number=number)
    make_line(statement)
    return statement


def _journal(number: int) -> Model:
    journal = Journal.objects.create(
        period=make_period(), number=number, currency="USD", accounting_date=date(2025, 1, 31)
    )
    JournalLine.objects.create(journal=journal, account="NSF-1", account_code="54000", debit="5", description="January")
    return journal


def _delivery(number: int) -> Model:
    delivery = EmailDelivery.objects.create(
        period=make_period(), pi=make_pi(f"pi-{number}@example.edu"), recipient=f"pi-{number}@example.edu",
        content_key=f"{number:064d}", status="failed", error="mailbox full",
    )  # fmt: skip
    delivery.statements.add(_statement(number))
    return delivery


def _suppression(number: int) -> Model:
    return Suppression.objects.create(address=f"pi-{number}@example.edu", cause="550 no such user")


def _seal(number: int) -> Model:
    return Seal.objects.create(
        period=make_period(_month(number)), number=number, algorithm=1, lines_sha256="0" * 64, counts={"charges": 1},
        totals={"list": "1.00"}, head=f"{number:064d}", sealed_at=timezone.now() - timedelta(days=number),
    )  # fmt: skip


MAKERS: dict[str, Any] = {
    "auth.group": lambda number: Group.objects.create(name=f"group-{number}"),
    "auth.user": lambda number: User.objects.create_user(f"user-{number}"),
    "charges.adjustment": _adjustment,
    "charges.allowedfund": lambda number: AllowedFund.objects.create(code=f"fund-{number}"),
    "charges.attributionrule": lambda number: AttributionRule.objects.create(
        source=make_source(f"source-{number}"), project=make_project(f"project-{number}")
    ),
    "charges.charge": _charge,
    "charges.correction": _correction,
    "charges.creditcampaign": _campaign,
    "charges.dispute": _dispute,
    "charges.exchangerate": lambda number: ExchangeRate.objects.create(
        source=make_source(f"source-{number}"), period=make_period(), currency="EUR", rate="1.1",
        rate_date=date(2025, 1, 31), origin="ECB",
    ),
    "charges.focusimport": lambda number: make_import(make_period(), make_source(f"source-{number}")),
    "charges.fundingaccount": lambda number: make_fund(f"fund-{number}"),
    "charges.fundingsplit": _split,
    "charges.importissue": _issue,
    "charges.principalinvestigator": lambda number: make_pi(f"pi-{number}@example.edu"),
    "charges.project": lambda number: make_project(f"project-{number}", default_fund=make_fund(f"fund-{number}")),
    "charges.reviewrule": lambda number: ReviewRule.objects.create(
        kind="pattern", pattern=f"gpu-{number}", source=make_source(f"source-{number}")
    ),
    "charges.reviewsettings": lambda _number: ReviewSettings.objects.get_or_create(pk=1)[0],
    "charges.source": lambda number: make_source(f"source-{number}"),
    "charges.sourcewaiver": lambda number: SourceWaiver.objects.create(
        source=make_source(f"source-{number}"), period=make_period(), reason="Nothing was used"
    ),
    "periods.auditentry": lambda number: audit.record(
        by=None, action="close", subject=make_period(_month(number)), period=make_period(_month(number))
    ),
    "periods.billingperiod": lambda number: make_period(_month(number)),
    "statements.emaildelivery": _delivery,
    "statements.suppression": _suppression,
    "statements.journal": _journal,
    "statements.seal": _seal,
    "statements.statement": _statement,
}  # fmt: skip


def make_row(model: type[Model]) -> Model:
    return MAKERS[model._meta.label_lower](next(numbers))
