import json
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from charges.models import ExchangeRate
from statements.issuing import issue_statements
from statements.journaling import acknowledge_journal, export_journal, reject_journal
from statements.status import period_status
from tests.make import make_charge, make_closed, make_finalized, make_period, make_pi, make_source

pytestmark = pytest.mark.django_db


def status_json(month="2025-01", capsys=None):
    call_command("period_status", month, "--json")
    return json.loads(capsys.readouterr().out)


def test_json_of_an_open_month_is_exactly_the_contract(capsys):
    make_charge(list_amount="2400", due_amount="0")
    make_charge(list_amount="10.5", due_amount="4.25")
    make_charge(list_amount="9", due_amount="7", review_status="held")
    make_charge(list_amount="9", due_amount="0", review_status="not_billable")
    make_charge(list_amount="9", due_amount="9", review_status="excluded")

    assert status_json(capsys=capsys) == {
        "period": "2025-01",
        "state": "open",
        "charges": 5,
        "flagged": 1,
        "list": "2410.50",
        "discount": "-2406.25",
        "due": "4.25",
        "statements": 0,
        "held": {"charges": 1, "due": "7.00"},
        "journal": {"debits": "0.00", "credits": "0.00", "acknowledged": False},
        "blockers": {
            "close": [],
            "finalize": [
                "1 charge awaits review",
                "1 statement is not issued or out of date: issue statements.",
            ],
        },
    }


def test_json_after_the_journal(capsys):
    make_charge(list_amount="10", due_amount="4.25")
    make_charge(list_amount="1", due_amount="1", pi=make_pi("bob@example.edu"))
    period = make_closed(make_period())
    issue_statements(period)
    export_journal(period)
    exported = status_json(capsys=capsys)
    acknowledge_journal(period, reference="GL-1")

    acknowledged = status_json(capsys=capsys)

    assert (exported["state"], exported["statements"]) == ("closed", 2)
    assert exported["journal"] == {"debits": "5.25", "credits": "5.25", "acknowledged": False}
    assert acknowledged["journal"] == {"debits": "5.25", "credits": "5.25", "acknowledged": True}


def test_rejected_journal_counts_no_more():
    make_charge(due_amount="5")
    period = make_closed(make_period())
    issue_statements(period)

    reject_journal(export_journal(period).journal, reason="a typing error in it", by=None)

    status = period_status(period)
    assert (status.debits, status.credits, status.acknowledged) == (0, 0, False)


def test_next_journal_is_acknowledged_too_before_the_month_is():
    make_charge(due_amount="5")
    period = make_closed(make_period())
    for due in ("5", "3"):
        make_charge(due_amount=due)
        issue_statements(period)
        export_journal(period)
        if due == "5":
            acknowledge_journal(period, reference="GL-1")

    status = period_status(period)

    assert (status.debits, status.credits, status.acknowledged) == (13, 13, False)


def test_held_amount_is_in_the_period_s_currency_only():
    make_charge(due_amount="7", review_status="held")
    make_charge(due_amount="1000", review_status="held", billing_currency="EUR")
    rate = ExchangeRate.objects.create(
        source=make_source(), period=make_period(), currency="EUR", rate=Decimal("1.1"), rate_date="2025-01-31"
    )
    make_charge(due_amount="11", review_status="held", billing_currency="EUR", exchange_rate=rate)

    status = period_status(make_period())

    assert (status.held, status.held_due, status.unconverted) == (3, 18, 1)


def test_finalized_month_has_nothing_in_its_way():
    make_charge(due_amount="5")
    period = make_finalized(make_closed(make_period()))

    assert period_status(period).blockers == {"close": [], "finalize": []}


def test_text_says_it_in_words(capsys):
    make_charge(list_amount="2400", due_amount="0")
    make_charge(list_amount="9", due_amount="7", review_status="held")

    call_command("period_status", "2025-01")

    assert capsys.readouterr().out == (
        "January 2025: open\n"
        "2 charges, 0 statements issued\n"
        "List price           2400.00 USD\n"
        "Discount            -2400.00\n"
        "Amount due              0.00\n"
        "Held                    7.00 in 1 charge\n"
        "Journal                 0.00 not acknowledged\n"
        "Blocks finalize: 1 charge awaits review\n"
        "Blocks finalize: 1 statement is not issued or out of date: issue statements.\n"
    )


def test_absent_month_exits_1():
    with pytest.raises(CommandError, match=r"^There is no period 2031-07") as refusal:
        call_command("period_status", "2031-07", "--json")

    assert refusal.value.returncode == 1


@pytest.mark.parametrize("count", [1, 3])
def test_status_costs_the_same_queries_for_any_number_of_charges(count, django_assert_num_queries):
    for number in range(count):
        make_charge(pi=make_pi(f"pi{number}@example.edu"))
        make_charge(review_status="held")
    period = make_period()

    with django_assert_num_queries(61):
        period_status(period)
