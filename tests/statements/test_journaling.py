import csv
import io
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from charges.adjusting import adjust
from charges.models import Charge, FundingShare, FundingSplit, ReviewRule
from periods.errors import NotPermitted, PeriodLocked, Refused, WrongState
from periods.models import AuditEntry
from statements.issuing import issue_statements
from statements.journaling import (
    acknowledge_journal,
    cell,
    export_journal,
    outstanding,
    reject_journal,
    templates,
    void_journal,
)
from statements.models import ArchivedDocument, Journal, JournalLine, Statement, StatementLine
from tests.make import make_charge, make_closed, make_finalized, make_fund, make_period, make_pi, make_source

pytestmark = pytest.mark.django_db

REASON = "finance found a typing error"


def make_issued(period=None):
    period = make_closed(period or make_period())
    issue_statements(period)
    return period


def entries(journal):
    """(account, debit, credit) of each line."""
    return [(line.account, str(line.debit + 0), str(line.credit + 0)) for line in journal.lines.all()]


def amounts(journal):
    return {line.account: line.debit - line.credit for line in journal.lines.all()}


def rows(content):
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def make_template(home: Path, name: str, text: str):
    folder = home / "templates" / "journals"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.csv").write_text(text)


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


def test_unknown_template_is_refused_naming_those_there_are(home):
    make_template(home, "banner", "x")

    with pytest.raises(Refused) as refusal:
        export_journal(make_period(), template="../generic")

    assert str(refusal.value) == f"There is no journal template '../generic': there are {', '.join(templates())}."
    assert {"banner", "generic"} <= set(templates())


def test_institution_s_template_is_used_and_archived_beside_the_generic_one(home):
    make_charge(due_amount="10")
    make_template(
        home,
        "short",
        "{% for line in journal.lines %}\n{{ line.account }}|{{ line.debit - line.credit }}\n{% endfor %}",
    )
    period = make_issued()
    export_journal(period)

    exported = export_journal(period, template="short")

    assert exported.content == b"NSF-1|10.00\ncluster|-10.00\n"
    assert exported.journal.documents.count() == 2


@pytest.mark.parametrize(
    "text",
    [
        "account,debit,credit\n{% for line in journal.lines[1:] %}\nx,{{ line.debit }},{{ line.credit }}\n{% endfor %}",
        "account,debit,credit\n{% for line in journal.lines %}\nx,{{ line.credit }},{{ line.debit }}\n{% endfor %}",
        "account,debit,credit\n{% for line in journal.lines %}\nx,${{ line.debit }},{{ line.credit }}\n{% endfor %}",
        "account,debit,credit\n{% for line in journal.lines %}\nx\n{% endfor %}",
        "nothing at all",
    ],
    ids=["line left out", "sides swapped", "no number", "cells missing", "no lines"],
)
def test_file_that_differs_from_its_journal_never_leaves(home, text):
    make_charge(due_amount="10")
    make_charge(due_amount="7", funding_account=make_fund("NSF-2"))
    make_template(home, "broken", text)
    period = make_issued()

    with pytest.raises(Refused, match=r"^The template 'broken' makes a file that"):
        export_journal(period, template="broken")

    assert (Journal.objects.count(), ArchivedDocument.objects.count()) == (0, 0)
    assert not list(home.glob("journals/**/*.csv"))


def test_template_sees_figures_and_no_door_to_the_database(home):
    make_charge(due_amount="10")
    make_template(home, "curious", "{{ journal.lines[0].journal.delete() }}\n\n")

    with pytest.raises(Refused, match=r"journals/curious\.csv, line 1, cannot be used"):
        export_journal(make_issued(), template="curious")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NSF-1", "NSF-1"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", '"\'\rx"'),
        ("Smith, Ada", '"Smith, Ada"'),
        ('the "best"', '"the ""best"""'),
        ("two\nlines", '"two\nlines"'),
        ("", ""),
    ],
)
def test_cell_is_quoted_and_no_formula(text, expected):
    assert cell(text) == expected


def test_dangerous_account_is_guarded_and_its_amount_is_not():
    make_charge(list_amount="-5", due_amount="-5", funding_account=make_fund('=HYPERLINK("http://x"),1'))

    (first, second) = rows(export_journal(make_issued()).content)

    assert (first["account"], first["debit"], first["credit"]) == ('\'=HYPERLINK("http://x"),1', "0.00", "5.00")
    assert (second["account"], second["debit"]) == ("cluster", "5.00")


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


def test_a_template_gets_the_parts_of_fund_codes_by_name(settings):
    ReviewRule.objects.create(kind="fund_format", pattern=r"^(?P<sponsor>[A-Z]+)-(?P<number>\d+)$")
    make_charge(due_amount="10")
    make_charge(due_amount="5", funding_account=make_fund("GIFT"))
    make_template(
        settings.OCB_HOME, "parts",
        "account,sponsor,number\n{% for line in journal.lines %}"
        "{{ line.account }},{{ line.fund_parts.sponsor }},{{ line.fund_parts.number }}\n{% endfor %}",
    )  # fmt: skip

    content = export_journal(make_issued(), template="parts").content

    assert [tuple(row.values()) for row in rows(content)] == [
        ("GIFT", "", ""),
        ("NSF-1", "NSF", "1"),
        ("cluster", "", ""),
    ]
