from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from charges.adjusting import adjust
from charges.models import Charge, FundingShare, FundingSplit
from periods.errors import NotPermitted, PeriodLocked, Refused
from periods.models import AuditEntry
from statements.issuing import issue_statements
from statements.journaling import acknowledge_journal, export_journal, outstanding
from statements.models import ArchivedDocument, Journal, JournalLine, Statement, StatementLine
from tests.make import make_charge, make_closed, make_finalized, make_fund, make_period, make_pi, make_source
from tests.statements.journals import amounts, make_issued, make_template, rows

pytestmark = pytest.mark.django_db


def test_journal_debits_funds_and_credits_the_source():
    make_charge(due_amount="10")
    make_charge(due_amount="5", funding_account=make_fund("NSF-2"))

    journal = export_journal(make_issued()).journal

    assert amounts(journal) == {"NSF-1": 10, "NSF-2": 5, "cluster": -15}
    assert (journal.state, journal.printed_number, journal.accounting_date) == (
        "exported",
        "J-2025-01-1",
        date(2025, 1, 31),
    )


def test_journal_nets_a_fund_over_all_statements():
    make_charge(due_amount="10")
    make_charge(due_amount="5", pi=make_pi("bob@example.edu"))

    journal = export_journal(make_issued()).journal

    assert amounts(journal) == {"NSF-1": 15, "cluster": -15}


def test_journal_has_lines_by_account_code_and_source():
    make_charge(due_amount="1", account_code="7000")
    make_charge(due_amount="2", account_code="8000")
    make_charge(due_amount="4", account_code="8000", source=make_source("tape", journal_account="RC-TAPE"))

    journal = export_journal(make_issued()).journal

    assert [(line.account, line.account_code, line.debit - line.credit) for line in journal.lines.all()] == [
        ("NSF-1", "7000", 1),
        ("NSF-1", "8000", 2),
        ("NSF-1", "8000", 4),
        ("RC-TAPE", "8000", -4),
        ("cluster", "7000", -1),
        ("cluster", "8000", -2),
    ]


def test_negative_net_changes_sides():
    make_charge(list_amount="-8", due_amount="-8")

    journal = export_journal(make_issued()).journal

    assert [(line.account, line.debit, line.credit) for line in journal.lines.all()] == [
        ("NSF-1", 0, 8),
        ("cluster", 8, 0),
    ]


def test_zero_net_is_left_out():
    make_charge(due_amount="5")
    make_charge(list_amount="-5", due_amount="-5")
    make_charge(due_amount="3", funding_account=make_fund("NSF-2"))

    assert amounts(export_journal(make_issued()).journal) == {"NSF-2": 3, "cluster": -3}


def test_no_journal_where_nothing_is_due():
    make_charge(list_amount="2400", due_amount="0")

    exported = export_journal(make_issued())

    assert (exported.journal, exported.content, Journal.objects.count()) == (None, b"", 0)


def test_generic_csv_is_this_to_the_byte(home):
    make_charge(due_amount="1234.5", account_code="7000")

    exported = export_journal(make_issued())

    assert exported.content.decode() == (
        "journal,line,accounting_date,period,account,account_code,source,description,debit,credit,currency\n"
        "J-2025-01-1,1,2025-01-31,2025-01,NSF-1,7000,cluster,Research computing 2025-01,1234.50,0.00,USD\n"
        "J-2025-01-1,2,2025-01-31,2025-01,cluster,7000,cluster,Research computing 2025-01,0.00,1234.50,USD\n"
    )
    document = ArchivedDocument.objects.get()
    assert (document.journal, document.template) == (exported.journal, "journals/generic.csv")
    assert (home / document.path).read_bytes() == exported.content


def test_accounting_date_can_be_given():
    make_charge(due_amount="1")

    exported = export_journal(make_issued(), accounting_date=date(2025, 2, 3))

    assert [row["accounting_date"] for row in rows(exported.content)] == ["2025-02-03"] * 2


def test_accounting_date_of_an_exported_journal_stays():
    make_charge(due_amount="1")
    period = make_issued()
    first = export_journal(period)

    with pytest.raises(
        Refused, match=r"^J-2025-01-1 is exported with the accounting date 2025-01-31, which it keeps\.$"
    ):
        export_journal(period, accounting_date=date(2025, 2, 3))
    assert export_journal(period, accounting_date=date(2025, 1, 31)) == first


def test_exporting_again_gives_the_same_bytes_and_writes_nothing():
    make_charge(due_amount="10")
    period = make_issued()
    first = export_journal(period)
    before = Journal.objects.count(), ArchivedDocument.objects.count(), AuditEntry.objects.count()

    assert export_journal(period) == first
    acknowledge_journal(period, reference="GL-7")
    assert export_journal(period).content == first.content
    assert (Journal.objects.count(), ArchivedDocument.objects.count()) == before[:2]
    assert AuditEntry.objects.count() == before[2] + 1


def test_exported_bytes_outlive_a_change_of_the_template(home):
    make_charge(due_amount="10")
    period = make_issued()
    first = export_journal(period)

    make_template(home, "generic", "something else altogether\n" * 3)

    assert export_journal(period).content == first.content


def test_exported_bytes_outlive_finalization(home):
    make_charge(due_amount="10")
    period = make_issued()
    first = export_journal(period)
    make_template(home, "other", "{{ journal.number }}\n" * 3)
    finalized = make_finalized(period)

    assert export_journal(finalized).content == first.content
    with pytest.raises(PeriodLocked):
        export_journal(finalized, template="other")


def test_export_refused_while_the_month_is_open():
    make_charge(due_amount="10")

    with pytest.raises(Refused, match=r"^January 2025 is open: close it and issue its statements before"):
        export_journal(make_period())


def test_export_refused_while_statements_are_stale():
    make_charge(due_amount="10")
    period = make_issued()
    make_charge(due_amount="1")

    with pytest.raises(
        Refused, match=r"^Statements are not issued or out of date: ada, engine\. Issue statements first\.$"
    ):
        export_journal(period)

    assert Journal.objects.count() == 0


def test_export_refused_without_permission(outsider):
    make_charge(due_amount="10")
    period = make_issued()

    with pytest.raises(NotPermitted):
        export_journal(period, by=outsider)

    assert Journal.objects.count() == 0


def test_emptied_month_is_reversed_in_the_ledger():
    make_charge(due_amount="10")
    period = make_issued()
    export_journal(period)
    acknowledge_journal(period, reference="GL-1")
    Charge.objects.update(review_status="excluded")
    issue_statements(period)

    assert amounts(export_journal(period).journal) == {"NSF-1": -10, "cluster": 10}


def test_renamed_fund_is_posted_anew_under_its_name():
    make_charge(due_amount="10")
    period = make_issued()
    export_journal(period)
    acknowledge_journal(period, reference="GL-1")
    fund = make_fund()
    fund.code = "NSF-1-B"
    fund.save()
    issue_statements(period)

    assert amounts(export_journal(period).journal) == {"NSF-1": -10, "NSF-1-B": 10}


def test_write_off_credits_the_fund_and_debits_its_bearer():
    charge = make_charge(due_amount="10")
    adjust(
        by=None,
        period=make_period(),
        kind="write_off",
        pi=charge.pi,
        project=charge.project,
        charge=charge,
        description="Waived",
        reason="agreed with the dean",
        due_amount=Decimal(-4),
        borne_by=make_fund("DEAN"),
    )

    journal = export_journal(make_issued()).journal

    assert amounts(journal) == {"NSF-1": 6, "DEAN": 4, "cluster": -10}
    assert [line.funding_account.code for line in journal.lines.exclude(funding_account=None)] == ["DEAN", "NSF-1"]


def test_bearer_of_a_write_off_has_it_netted_with_its_own_charges():
    charge = make_charge(due_amount="10")
    bearer = make_fund("DEAN")
    make_charge(due_amount="5", funding_account=bearer)
    write_off = {"kind": "write_off", "description": "Waived", "reason": "agreed with the dean"}
    payer = {"pi": charge.pi, "project": charge.project, "charge": charge}
    adjust(by=None, period=make_period(), **write_off, **payer, due_amount=Decimal(-4), borne_by=bearer)

    journal = export_journal(make_issued()).journal

    lines = journal.lines.values_list("account", "debit", "credit")
    assert list(lines) == [("DEAN", 9, 0), ("NSF-1", 6, 0), ("cluster", 0, 15)]


@pytest.mark.parametrize("count", [1, 3])
def test_outstanding_costs_two_queries_for_any_number_of_lines(count, django_assert_num_queries):
    for number in range(count):
        make_charge(due_amount="1", funding_account=make_fund(f"F{number}"))
    period = make_issued()

    with django_assert_num_queries(2):
        assert len(outstanding(period)) == count + 1


def per_fund():
    """Σ statement lines per fund, which journals must equal."""
    found = {}
    for line in StatementLine.objects.filter(statement__state="issued").exclude(due_amount=0):
        found[line.funding_account.code] = found.get(line.funding_account.code, 0) + line.due_amount
    return {code: amount for code, amount in found.items() if amount}


DUE = st.integers(-(10**12), 10**12).map(lambda billionths: Decimal(billionths).scaleb(-9)) | st.just(Decimal(0))


class TestAnyMonth(TestCase):
    @settings(max_examples=25, deadline=None)
    @given(
        months=st.lists(
            st.lists(st.tuples(DUE, st.sampled_from("ABC"), st.booleans()), min_size=1, max_size=4), max_size=3
        ),
        percent=st.integers(1, 9999).map(lambda hundredths: Decimal(hundredths) / 100),
    )
    def test_acknowledged_journals_equal_statement_lines_per_fund_after_every_change(self, months, percent):
        project = make_charge(list_amount="0", due_amount="0").project
        split = FundingSplit.objects.create(project=project, first_month="2025-01", remainder_account=make_fund("A"))
        FundingShare.objects.create(split=split, funding_account=make_fund("B"), percent=percent)
        period = make_closed(make_period())

        for charges in months:
            Charge.objects.update(review_status="excluded")
            for due, fund, is_split in charges:
                payer = (
                    {"funding_account": None, "fund_step": "split"}
                    if is_split
                    else {"funding_account": make_fund(fund)}
                )
                make_charge(list_amount=due, due_amount=due, **payer)
            issue_statements(period)
            if journal := export_journal(period).journal:
                acknowledge_journal(period, reference=f"GL-{journal.number}")

            assert ledger() == per_fund()
            assert outstanding(period) == {}
            due_on_statements = sum(s.due_amount for s in Statement.objects.current())
            assert sum(ledger().values()) == due_on_statements


def ledger():
    """Debits less credits per fund, over acknowledged journals; each of them balances."""
    found = {}
    for journal in Journal.objects.filter(state="acknowledged"):
        lines = list(JournalLine.objects.filter(journal=journal))
        assert sum(line.debit for line in lines) == sum(line.credit for line in lines) > 0
        for line in lines:
            if line.funding_account:
                found[line.account] = found.get(line.account, 0) + line.debit - line.credit
    return {code: amount for code, amount in found.items() if amount}
