"""A line with the late difference of a closed month names the statement that the month was billed on."""

from decimal import Decimal

import pytest

from charges.importing import import_files
from charges.models import Charge
from charges.review import approve
from periods.lifecycle import close_period
from periods.models import BillingPeriod
from statements.issuing import issue_statements, stale_statements
from statements.lines import lines_by_payer
from statements.models import Statement, StatementLine
from statements.rendering.composing import compose
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_charge, make_fund, make_period, make_pi, make_project, make_statement

pytestmark = pytest.mark.django_db


def late(due: str = "-4", late_month: str = "2025-01", **kwargs) -> Charge:
    february = make_period("2025-02")
    return make_charge(
        period=february, kind="reversal", late_month=late_month, list_amount=due, due_amount=due, **kwargs
    )


def descriptions(**whose: int) -> list[str]:
    return [line.description for found in lines_by_payer(make_period("2025-02"), **whose) for line in found.lines]


def test_a_correction_names_the_statement_of_its_month():
    number = make_statement().number
    late()

    assert descriptions() == [f"Correction of 2025-01, statement S-{number:06d}"]


def test_a_payer_without_a_statement_in_that_month_gets_the_month_alone():
    make_statement(project=make_project("other"))
    make_statement(pi=make_pi("zoe@example.edu"))
    make_statement(period=make_period("2024-12"))
    late()

    assert descriptions() == ["Correction of 2025-01"]


@pytest.mark.parametrize("state", ["superseded", "void"])
def test_a_statement_that_no_longer_stands_keeps_its_number(state):
    number = make_statement(state=state).number
    late()

    assert descriptions() == [f"Correction of 2025-01, statement S-{number:06d}"]


def test_revisions_are_one_statement():
    first = make_statement(state="superseded")
    make_statement(number=first.number, revision=2)
    late()

    assert descriptions() == [f"Correction of 2025-01, statement S-{first.number:06d}"]


def test_each_month_has_its_own_statement():
    december = make_statement(period=make_period("2024-12"))
    january = make_statement()
    late(late_month="2024-12")
    late()

    assert descriptions() == [
        f"Correction of 2024-12, statement S-{december.number:06d}",
        f"Correction of 2025-01, statement S-{january.number:06d}",
    ]


def test_one_payer_alone_is_told_the_same():
    number = make_statement().number
    late()
    late(project=make_project("other"))

    whose = {"pi": make_pi().pk, "project": make_project().pk}
    assert descriptions(**whose) == [f"Correction of 2025-01, statement S-{number:06d}"]


@pytest.mark.parametrize("count", [1, 3])
def test_the_numbers_of_a_month_are_read_once(count, django_assert_num_queries):
    for number in range(count):
        project = make_project(f"project-{number}")
        make_statement(project=project)
        late(project=project)
    period = make_period("2025-02")

    with django_assert_num_queries(
        8
    ):  # adjustments, credits, sources, funds, splits of the month, shared costs, sums, statements
        found = [line.description for each in lines_by_payer(period) for line in each.lines]

    assert len(set(found)) == count


def usage(month: str, due: str) -> dict:
    return focus_row(
        BillingPeriodStart=f"{month}-01", ChargePeriodStart=f"{month}-01", ListCost=due, ContractedCost=due,
        BilledCost=due, EffectiveCost=due,
    )  # fmt: skip


def shut(month: str) -> BillingPeriod:
    period = make_period(month)
    close_period(period, by=None)
    issue_statements(period)
    return period


def test_from_the_late_file_to_the_printed_line(tmp_path):
    make_fund()
    import_files([write_focus(tmp_path / "jan.csv", usage("2025-01", "10"))], source_name="aws")
    shut("2025-01")
    january = Statement.objects.get()
    late_file = write_focus(tmp_path / "late.csv", usage("2025-01", "14"))
    import_files([late_file], source_name="aws", late_to="2025-02")
    approve(Charge.objects.filter(period__month="2025-02"), by=None, reason="the provider restated the month")

    shut("2025-02")

    statement = Statement.objects.get(period__month="2025-02")
    lines = list(StatementLine.objects.filter(statement=statement).select_related("source", "funding_account"))
    printed = [(line.service, line.due_amount) for line in compose(statement, lines).lines]
    assert printed == [(f"Correction of 2025-01, statement S-{january.number:06d}", Decimal(4))]
    assert stale_statements(statement.period) == []
