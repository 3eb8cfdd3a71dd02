"""A correction after the seal: the sealed month still verifies, the next statement says what it corrects."""

from decimal import Decimal

import pytest

from charges.correcting.grounds import Grounds
from charges.correcting.rebilling import Right, correct
from charges.models import Charge
from periods.models import BillingPeriod
from statements.archiving import finalize_period, verify_ledger
from statements.issuing import issue_statements
from statements.lines import lines_by_payer
from statements.models import Statement
from tests.make import make_fund, make_period, make_project
from tests.statements.sealed import make_ready, make_sealed

pytestmark = pytest.mark.django_db
GROUNDS = Grounds(
    cause="payer",
    explanation="The nodes were tagged with the project of the group next door.",
    justification="The group next door told us of it only when its award was closed out.",
    certifier="Ada Lovelace",
)


def test_a_correction_leaves_the_sealed_month_and_is_sealed_in_its_own():
    make_sealed()
    make_period("2025-02")
    correct([Charge.objects.get().pk], grounds=GROUNDS, right=Right(due_amount=Decimal("4.50")))
    assert verify_ledger() == []

    february = finalize_period(make_ready("2025-02", resource_id="node-2"))

    assert february.counts["charges.Correction"] == 1
    assert verify_ledger() == []


def test_statements_name_the_statement_that_is_corrected():
    make_sealed()
    number = Statement.objects.get().number
    make_period("2025-02")
    project = make_project("other", name="Other")
    right = Right(project=project, funding_account=make_fund("NSF-2"))
    correct([Charge.objects.get().pk], grounds=GROUNDS, right=right)

    lines = [line for found in lines_by_payer(make_period("2025-02")) for line in found.lines]

    assert [(line.description, line.funding_account.code, line.due_amount) for line in lines] == [
        (f"Correction of 2025-01, statement S-{number:06d}", "NSF-1", Decimal("-12.50")),
        ("Correction of 2025-01", "NSF-2", Decimal("12.50")),
    ]


def test_what_nobody_pays_is_on_no_statement_but_its_reversal():
    make_sealed()
    make_period("2025-02")
    correct([Charge.objects.get().pk], grounds=GROUNDS, right=Right(is_billed=False))

    BillingPeriod.objects.filter(month="2025-02").update(state="closed")
    issue_statements(make_period("2025-02"))

    assert [found.due_amount for found in Statement.objects.filter(period__month="2025-02")] == [Decimal("-12.50")]
