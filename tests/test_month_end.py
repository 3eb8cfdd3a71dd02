"""One row, all the way: from the file to the seal, as the table of the architecture page tells it."""

import json
from decimal import Decimal
from email import message_from_bytes

import pytest

from charges import adjusting, importing, review
from charges.disputing import objecting
from charges.models import Adjustment, Charge, FundingAccount
from periods.lifecycle import close_period
from periods.models import AuditEntry, BillingPeriod
from statements import archiving, emailing, issuing, journaling, rendering
from statements.models import Statement

COLUMNS = "BillingPeriodStart,ChargePeriodStart,ListCost,ContractedCost,EffectiveCost,ResourceId,ServiceName,Tags"
TAGS = {"pi_email": "ada", "pi_name": "Ada Lovelace", "project_id": "engine", "subsidy_funder": "Provost"}


@pytest.fixture
def file(tmp_path):
    tags = json.dumps(TAGS).replace('"', '""')
    path = tmp_path / "gpu.csv"
    path.write_text(f'{COLUMNS}\n2025-01-01,2025-01-07,100.00,90.00,12.50,gpu-7,GPU hours,"{tags}"\n')
    return path


@pytest.mark.django_db(transaction=True)
def test_one_row_goes_from_the_file_to_the_seal(file, home, settings):
    settings.EMAIL_BACKEND = "ocb_project.file_mail.EmailBackend"
    delivery = importing.import_files([file], source_name="gpu")
    assert (delivery.rows, delivery.loaded, delivery.flagged) == (1, 1, 1)
    charge = Charge.objects.get()
    assert (charge.list_amount, charge.contracted_amount, charge.due_amount) == (100, 90, Decimal("12.5"))
    assert (charge.pi.email, charge.project.code, charge.funder) == ("ada@example.edu", "engine", "Provost")
    assert list(charge.flags) == ["missing_fund"]

    fund = FundingAccount.objects.create(code="NSF-1")
    review.reattribute(Charge.objects.held(), funding_account=fund, reason="Ada named the grant by mail.")
    assert Charge.objects.billable().get() == charge

    period = BillingPeriod.objects.of_month("2025-01")
    adjusting.adjust(
        period=period,
        kind=Adjustment.Kind.CREDIT,
        pi=charge.pi,
        project=charge.project,
        charge=charge,
        funding_account=fund,
        description="Credit for a lost hour",
        due_amount=Decimal("-2.50"),
        reason="The node failed on 7 January.",
    )
    period = close_period(period)
    assert issuing.issue_statements(period).issued == 1
    statement = Statement.objects.get()
    assert (statement.list_amount, statement.provider_discount, statement.subsidy) == (100, -10, Decimal("-77.5"))
    assert (statement.adjustments, statement.due_amount) == (Decimal("-2.5"), 10)

    dispute = objecting.open_dispute(
        period=period, pi=charge.pi, project=charge.project, charge=charge, text="Was this really us?", by=None
    )
    objecting.deny(dispute, text="Yes: job 4711 of your group.", by=None)

    assert rendering.render_statements(period).rendered == 1
    pdf = (home / statement.document.path).read_bytes()
    assert pdf.startswith(b"%PDF-")

    before = set((home / "mail").iterdir())  # of the dispute
    assert emailing.email_statements(period).sent == 1
    [mail] = {*(home / "mail").iterdir()} - before
    [attachment] = [part for part in message_from_bytes(mail.read_bytes()).walk() if part.get_filename()]
    assert attachment.get_payload(decode=True) == pdf

    exported = journaling.export_journal(period)
    assert [(line.account, line.debit, line.credit) for line in exported.journal.lines.all()] == [
        ("NSF-1", 10, 0),
        ("gpu", 0, 10),
    ]
    journaling.acknowledge_journal(period, reference="GL-1")
    seal = archiving.finalize_period(period)
    assert BillingPeriod.objects.get().state == "finalized"
    assert seal.totals == {"list": "100.00", "discount": "-90.00", "due": "10.00"}
    assert archiving.verify_ledger() == []
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {
        "load", "reattribute", "adjust", "close", "issue", "dispute", "deny", "render",
        "email", "export", "acknowledge", "finalize",
    }  # fmt: skip
