"""A journal is settled by finance's answer, once, and followed by what changed since."""

import pytest

from charges.models import Charge
from periods.errors import NotPermitted, PeriodLocked, Refused, WrongState
from periods.models import AuditEntry
from statements.issuing import issue_statements
from statements.journaling import acknowledge_journal, export_journal, reject_journal, void_journal
from tests.make import make_charge, make_finalized, make_fund
from tests.statements.journals import amounts, make_issued

pytestmark = pytest.mark.django_db


REASON = "finance found a typing error"


def test_change_after_export_must_wait_until_the_journal_is_settled():
    make_charge(due_amount="10")
    period = make_issued()
    export_journal(period)
    make_charge(due_amount="5")
    issue_statements(period)

    with pytest.raises(Refused, match=r"^J-2025-01-1 was exported, and the statements have changed since: "):
        export_journal(period)


@pytest.mark.parametrize("settle", [reject_journal, void_journal])
def test_settled_journal_is_replaced_whole(settle):
    make_charge(due_amount="10")
    period = make_issued()
    first = export_journal(period).journal
    make_charge(due_amount="5")
    issue_statements(period)

    settled = settle(first, reason=REASON, by=None)
    second = export_journal(period).journal

    assert settled.reason == REASON
    assert (second.number, amounts(second)) == (2, {"NSF-1": 15, "cluster": -15})


def test_after_acknowledgement_the_next_journal_holds_only_the_differences():
    make_charge(due_amount="10")
    dropped = make_charge(due_amount="4", funding_account=make_fund("NSF-2"))
    period = make_issued()
    export_journal(period)
    acknowledge_journal(period, reference="GL-1")
    make_charge(due_amount="5")
    Charge.objects.filter(pk=dropped.pk).update(review_status="excluded")
    issue_statements(period)

    second = export_journal(period).journal

    assert (second.number, amounts(second)) == (2, {"NSF-1": 5, "NSF-2": -4, "cluster": -1})


def test_acknowledge_records_finance_s_reference():
    make_charge(due_amount="10")
    period = make_issued()
    export_journal(period)

    journal = acknowledge_journal(period, reference=" GL-2025-0042 ")

    assert (journal.state, journal.reference) == ("acknowledged", "GL-2025-0042")
    assert journal.acknowledged_at is not None


def test_acknowledging_twice_under_one_reference_is_harmless():
    make_charge(due_amount="10")
    period = make_issued()
    export_journal(period)
    acknowledge_journal(period, reference="GL-1")
    before = AuditEntry.objects.count()

    assert acknowledge_journal(period, reference="GL-1").reference == "GL-1"
    assert AuditEntry.objects.count() == before
    with pytest.raises(Refused, match=r"^January 2025 has no exported journal that awaits acknowledgement"):
        acknowledge_journal(period, reference="GL-2")


def test_acknowledging_an_earlier_journal_again_leaves_the_next_alone():
    make_charge(due_amount="10")
    period = make_issued()
    export_journal(period)
    first = acknowledge_journal(period, reference="GL-1")
    make_charge(due_amount="5")
    issue_statements(period)
    second = export_journal(period).journal

    assert acknowledge_journal(period, reference="GL-1") == first
    second.refresh_from_db()
    assert second.state == "exported"
    assert acknowledge_journal(period, reference="GL-2") == second


def test_acknowledging_again_is_harmless_in_a_finalized_month():
    make_charge(due_amount="10")
    period = make_issued()
    export_journal(period)
    journal = acknowledge_journal(period, reference="GL-1")
    finalized = make_finalized(period)

    assert acknowledge_journal(finalized, reference="GL-1") == journal
    with pytest.raises(PeriodLocked):
        acknowledge_journal(finalized, reference="GL-2")


def test_acknowledge_before_export_is_refused():
    make_charge(due_amount="10")

    with pytest.raises(Refused, match=r"^January 2025 has no exported journal that awaits acknowledgement"):
        acknowledge_journal(make_issued(), reference="GL-1")


def test_acknowledge_needs_no_journal_where_nothing_is_due():
    make_charge(due_amount="0")

    assert acknowledge_journal(make_issued(), reference="GL-1") is None


@pytest.mark.parametrize("reference", ["", "  ", "x" * 201])
def test_acknowledge_without_a_usable_reference_is_refused(reference):
    make_charge(due_amount="10")
    period = make_issued()
    export_journal(period)

    with pytest.raises(Refused, match=r"^Give finance's reference, of 200 characters at most\.$"):
        acknowledge_journal(period, reference=reference)


@pytest.mark.parametrize("settle", [reject_journal, void_journal])
def test_acknowledged_journal_stays(settle):
    make_charge(due_amount="10")
    period = make_issued()
    export_journal(period)
    journal = acknowledge_journal(period, reference="GL-1")

    with pytest.raises(WrongState):
        settle(journal, reason=REASON, by=None)


@pytest.mark.parametrize("settle", [reject_journal, void_journal])
def test_journal_is_not_settled_without_permission(settle, outsider):
    make_charge(due_amount="10")
    journal = export_journal(make_issued()).journal

    with pytest.raises(NotPermitted):
        settle(journal, reason=REASON, by=outsider)
