"""What no example can say: whatever a month holds, every step adds up, open, closed and posted."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charges.models import Charge, FundingShare, FundingSplit
from statements.issuing import issue_statements
from statements.journaling import export_journal
from statements.reconciling import reconcile
from statements.reconciling.result import Verdict
from tests.make import make_charge, make_closed, make_fund, make_import, make_period, make_pi, make_project, make_source
from tests.statements.reconciled import make_adjustment, make_issue

pytestmark = pytest.mark.django_db
patient = settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
amounts = st.integers(-(10**14), 10**14).map(lambda billionths: Decimal(billionths).scaleb(-9))
rows = st.fixed_dictionaries(
    {
        "amount": amounts,
        "cost": st.sampled_from(["plain", "prepaid", "covered", "unbilled"]),
        "origin": st.sampled_from(["delivered", "delivered", "carried", "late", "reversal", "correction"]),
        "review_status": st.sampled_from(sorted({*Charge.ReviewStatus.values} - {"shared", "divided"})),  # need others
        "source": st.sampled_from(["cloud", "cluster"]),
        "pi": st.sampled_from(["ada", "bob"]),
        "is_split": st.booleans(),
        "is_foreign": st.booleans(),
    }
)
adjustments = st.fixed_dictionaries(
    {"due": amounts, "kind": st.sampled_from(["correction", "write_off"]), "source": st.sampled_from(["cluster", None])}
)
quarantined = st.fixed_dictionaries({"billed_cost": amounts, "status": st.sampled_from(["open", "discarded"])})


def load(*, amount: Decimal, cost: str, origin: str, source: str, pi: str, **row: Any) -> Charge:
    is_split, is_foreign = row.pop("is_split"), row.pop("is_foreign")
    costs = {
        "plain": {"billed_cost": amount, "effective_cost": amount},
        "prepaid": {"billed_cost": amount, "effective_cost": Decimal(0), "charge_category": "Purchase"},
        "covered": {"billed_cost": Decimal(0), "effective_cost": amount, "commitment_discount_id": "plan"},
        "unbilled": {"billed_cost": None, "effective_cost": amount},
    }[cost]
    due = costs["effective_cost"]
    if is_foreign:  # without a rate it stays held
        row |= {"billing_currency": "EUR", "review_status": "held"}
    owner, period = make_source(source), make_period()
    kind = "late" if origin == "correction" else origin
    loaded = {"loaded_by": make_import(period, owner, kind="correction")} if origin == "correction" else {}
    fund = {"fund_step": "split", "funding_account": None} if is_split else {}
    return make_charge(
        source=owner, kind=kind, pi=make_pi(f"{pi}@example.edu"), due_amount=due, list_amount=due,
        **{**costs, **row, **fund, **loaded},
    )  # fmt: skip


def make_split() -> None:
    """Of the project that all charges are of."""
    split, is_new = FundingSplit.objects.get_or_create(
        project=make_project(), first_month="2025-01", defaults={"remainder_account": make_fund("REST")}
    )
    if is_new:
        FundingShare.objects.create(split=split, funding_account=make_fund("A"), percent=Decimal("33.33"))


@patient
@given(
    charges=st.lists(rows, max_size=8), changes=st.lists(adjustments, max_size=3), bad=st.lists(quarantined, max_size=3)
)
def test_a_month_always_reconciles(charges, changes, bad):
    with transaction.atomic():
        fill(charges, changes, bad)
        before = reconcile(make_period())
        period = make_closed(make_period())
        issue_statements(period)
        export_journal(period)
        after = reconcile(period)
        transaction.set_rollback(True)

    assert before.wrong == 0
    assert after.verdict == Verdict.RIGHT


def fill(charges: list[Any], changes: list[Any], bad: list[Any]) -> None:
    make_split()
    for row in charges:
        load(**row)
    for change in changes:
        due, source = change["due"], make_source(change["source"]) if change["source"] else None
        is_credit = change["kind"] == "write_off" and due < 0
        words = {"kind": "write_off", "borne_by": make_fund("CENTRAL")} if is_credit else {"kind": "correction"}
        make_adjustment(due, source=source, list_amount=Decimal(0), **words)
    for issue in bad:
        make_issue(effective_cost=issue["billed_cost"], **issue)
