"""PIs and delegates let another account of their project bear a line: only that line moves, and only in its time."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from charges.adjusting import adjust
from charges.disputing.objecting import open_dispute, uphold
from charges.explaining import explain
from charges.models import Charge, Dispute, FundingAccount, FundingSplit, Project, ProjectDelegate
from periods.errors import Refused
from periods.models import AuditEntry, BillingPeriod
from statements.choosing import accounts_for, choose_account
from statements.issuing import issue_statements, stale_statements
from statements.journaling import acknowledge_journal, export_journal, outstanding
from statements.models import Statement, StatementLine
from tests.make import make_charge, make_closed, make_finalized, make_fund, make_period, make_pi, make_project

pytestmark = pytest.mark.django_db
CODE = "statements.portal.sign_in.MailedCodeBackend"
WHY = "The first grant is used up."


@pytest.fixture(autouse=True)
def _allowed(settings) -> None:
    settings.PAYERS_CHOOSE_ACCOUNT = True


@pytest.fixture
def period() -> BillingPeriod:
    """Ada's two lines, and one of grace; her project knows NSF-2 by default and DEPT as its fallback."""
    make_project(default_fund=make_fund("NSF-2"), fallback_fund=make_fund("DEPT"))
    ProjectDelegate.objects.create(project=make_project(), email="dora@example.edu")
    make_charge(due_amount="5", resource_name="node-1")
    make_charge(due_amount="7", resource_name="node-2")
    make_charge(due_amount="3", service_name="Storage")
    make_charge(due_amount="9", pi=make_pi("grace@example.edu"), project=make_project("compiler"))
    closed = make_closed(make_period())
    issue_statements(closed)
    return closed


def reader(email: str = "ada@example.edu") -> User:
    return User.objects.get_or_create(username=email, defaults={"email": email})[0]


def lines(service: str = "HPC Cluster") -> list[StatementLine]:
    mine = StatementLine.objects.select_related("statement__project", "source", "funding_account")
    return list(mine.filter(service_name=service, statement__pi=make_pi(), statement__state="issued"))


def choose(code: str = "NSF-2", **kwargs: Any) -> int:
    return choose_account(lines(), **{"fund": make_fund(code), "reason": WHY, "by": reader(), **kwargs})


def test_the_lines_charges_move_and_nothing_else(period):
    assert choose() == 2

    moved = Charge.objects.filter(fund_step="decision")
    assert sorted(charge.resource_name for charge in moved) == ["node-1", "node-2"]
    assert {(charge.funding_account.code, charge.decided_by) for charge in moved} == {("NSF-2", reader())}
    assert stale_statements(period) == ["ada, engine"]
    entry = AuditEntry.objects.get(action="choose_fund")
    assert (entry.by, entry.period, entry.rows, entry.reason) == (reader(), period, 2, WHY)
    assert list(entry.before) == ["ada@example.edu / engine / NSF-1"]


def test_one_statement_is_reissued_as_a_revision(period):
    choose()

    done = issue_statements(period)

    assert (done.issued, done.revised, done.unchanged, done.void) == (0, 1, 1, 0)
    assert [(line.funding_account.code, line.due_amount) for line in lines()] == [("NSF-2", 12)]
    assert [line.funding_account.code for line in lines("Storage")] == ["NSF-1"]
    assert Statement.objects.current().get(pi=make_pi()).revision == 2


def test_it_may_be_chosen_again_once_it_is_reissued(period):
    choose()
    with pytest.raises(Refused, match="being revised"):
        choose("DEPT")
    issue_statements(period)

    assert choose("NSF-1") == 2


def test_the_choice_is_told_with_its_author(period):
    choose()
    charge = Charge.objects.filter(fund_step="decision").first()

    (made,) = explain(charge, for_payer=True).decisions

    assert (made.what, made.by, made.reason) == ("Account chosen", "ada@example.edu", WHY)


def test_known_accounts_are_those_of_the_project_that_were_valid(period):
    split = FundingSplit.objects.create(project=make_project(), first_month="2024-01", last_month="2024-02",
                                        remainder_account=make_fund("REST"))  # fmt: skip
    split.shares.create(funding_account=make_fund("SHARE"), percent="40")
    make_fund("FOREIGN")

    assert [fund.code for fund in accounts_for(lines())] == ["DEPT", "NSF-2", "REST", "SHARE"]


def test_accounts_that_had_ended_or_had_not_begun_are_not_offered(period):
    Charge.objects.update(charge_period_start="2025-01-10T00:00Z")
    FundingAccount.objects.filter(code="NSF-2").update(valid_until=date(2025, 1, 9))
    FundingAccount.objects.filter(code="DEPT").update(valid_from=date(2025, 1, 11))
    assert accounts_for(lines()) == []

    FundingAccount.objects.filter(code="NSF-2").update(valid_until=date(2025, 1, 10))
    FundingAccount.objects.filter(code="DEPT").update(valid_from=date(2025, 1, 10))
    assert [fund.code for fund in accounts_for(lines())] == ["DEPT", "NSF-2"]

    Project.objects.filter(code="engine").update(end_date=date(2025, 1, 9))
    assert [fund.code for fund in accounts_for(lines())] == ["DEPT"]  # which outlives the project


@pytest.mark.parametrize("code", ["FOREIGN", "NSF-1"])
def test_no_other_account_is_taken(period, code):
    with pytest.raises(Refused, match=f"{code} is no account of the project"):
        choose(code)

    assert not Charge.objects.filter(fund_step="decision").exists()


def switch_off(period, settings):
    settings.PAYERS_CHOOSE_ACCOUNT = False


def pass_the_window(period, settings):
    Statement.objects.update(dispute_until=timezone.localdate() - timedelta(days=1))


def export(period, settings):
    export_journal(period)


def finalize(period, settings):
    make_finalized(period)


def adjusted(period, settings):
    charge = Charge.objects.get(resource_name="node-1", service_name="HPC Cluster", pi=make_pi(), due_amount=5)
    adjust(period=period, pi=charge.pi, project=charge.project, kind="correction", charge=charge, description="None",
           reason="Agreed with the dean.", due_amount=0)  # fmt: skip


def disputed(period, settings):
    open_dispute(period=period, pi=make_pi(), project=make_project(), source=lines()[0].source,
                 service_name="HPC Cluster", funding_account=make_fund(), text="This is not our usage.")  # fmt: skip


def upheld(period, settings):
    disputed(period, settings)
    uphold(Dispute.objects.get(), ground="price", amount=Decimal(4), text="Four of it are not.")
    issue_statements(period)


def refunded(period, settings):
    make_charge(due_amount="-1", list_amount="-1", fund_step="bearer")
    issue_statements(period)


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (switch_off, "The accounts are chosen by the billing office."),
        (pass_the_window, "Accounts could be chosen until "),
        (export, "Finance is posting this month"),
        (finalize, "January 2025 is finalized: nothing in it changes"),
        (adjusted, "The line has adjustments or is in dispute"),
        (disputed, "The line has adjustments or is in dispute"),
        (upheld, "The line has adjustments or is in dispute"),
        (refunded, "A refund on the line belongs to the account that bore the charge"),
    ],
)
def test_it_is_refused(period, settings, prepare, sentence):
    prepare(period, settings)

    with pytest.raises(Refused, match=sentence):
        choose()

    assert not Charge.objects.filter(fund_step="decision").exists()


def test_the_last_day_of_the_window_counts(period):
    Statement.objects.update(dispute_until=timezone.localdate())

    assert choose() == 2


def test_after_finance_has_posted_the_next_journal_holds_the_difference(period):
    export_journal(period)
    acknowledge_journal(period, reference="GL-1")
    choose()
    issue_statements(period)

    found = {(entry.account, amount) for entry, amount in outstanding(period).items() if entry.fund}

    assert found == {("NSF-1", -12), ("NSF-2", 12)}


def test_a_reason_is_asked_for(period):
    with pytest.raises(Refused, match="reason of at least 10"):
        choose(reason="because")


def test_a_split_line_stays_with_its_split(period):
    StatementLine.objects.update(percent="60")

    with pytest.raises(Refused, match="Only a line of charges"):
        choose()


# In the portal


def browser(email: str = "ada@example.edu") -> Client:
    client = Client()
    client.force_login(reader(email), backend=CODE)
    return client


def page() -> str:
    line = lines()[0]
    return f"/statements/{line.statement.number}/line/{line.pk}/account/"


def test_an_account_that_ends_within_the_days_of_a_charge_is_no_choice(period):
    FundingAccount.objects.filter(code="NSF-2").update(valid_until=date(2025, 1, 20))
    Charge.objects.update(
        charge_period_start=datetime(2025, 1, 5, tzinfo=UTC), charge_period_end=datetime(2025, 1, 22, tzinfo=UTC)
    )

    assert [fund.code for fund in accounts_for(lines())] == ["DEPT"]


def test_it_is_offered_on_the_line_where_the_institution_allows_it(period, settings):
    line, url = page().removesuffix("account/"), page()
    assert f'href="{url}"' in browser().get(line).content.decode()

    settings.PAYERS_CHOOSE_ACCOUNT = False

    assert f'href="{url}"' not in browser().get(line).content.decode()
    assert browser().get(url).status_code == 404


@pytest.mark.parametrize("account", ["", "x", "9" * 30, "0", "²"])
def test_what_names_no_account_is_told_so(period, account):
    response = browser().post(page(), {"account": account, "reason": WHY})

    assert response.context["refusal"] == "Choose an account."


@pytest.mark.parametrize("rows", [1, 3])
def test_the_page_asks_as_often_for_three_accounts_as_for_one(period, django_assert_num_queries, rows):
    make_project().splits.all().delete()
    if rows == 1:
        Project.objects.update(fallback_fund=None)
    else:
        FundingSplit.objects.create(project=make_project(), first_month="2024-01", last_month="2024-02",
                                    remainder_account=make_fund("REST"))  # fmt: skip
    client, url = browser(), page()

    with django_assert_num_queries(20):
        assert len(client.get(url).context["accounts"]) == rows
