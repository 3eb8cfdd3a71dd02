"""What is in dispute on a line is what the statement's lines say, to the cent."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charges.disputing.at_stake import Line, of_line
from charges.models import Adjustment, Charge, FundingSplit
from statements.lines import lines_by_payer
from tests.make import make_charge, make_fund, make_period, make_pi, make_project, make_source

pytestmark = pytest.mark.django_db

amounts = st.decimals("-30", "30", places=3)
rows = st.lists(
    st.tuples(
        amounts,
        st.sampled_from(["", "5", "6"]),
        st.sampled_from(["", "Provost"]),
        st.sampled_from(["A", "B", "split"]),
        st.sampled_from(["GPU", "CPU"]),
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture
def _splits() -> None:
    make_fund("B", account_code="5")
    split = FundingSplit.objects.create(project=make_project(), first_month="2025-01", remainder_account=make_fund("B"))
    split.shares.create(funding_account=make_fund("A"), percent=Decimal("33.33"))
    only = FundingSplit.objects.create(
        project=make_project(), service_name="CPU", first_month="2025-01", remainder_account=make_fund("A")
    )
    only.shares.create(funding_account=make_fund("B"), percent=Decimal("12.5"))


@pytest.mark.usefixtures("_splits")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows)
def test_lines_come_to_what_the_statement_says(rows) -> None:
    Charge.objects.all().delete()
    for amount, code, funder, fund, service in rows:
        paid = (
            {"funding_account": None, "fund_step": "split"} if fund == "split" else {"funding_account": make_fund(fund)}
        )
        make_charge(
            list_amount=amount * 2, due_amount=amount, account_code=code, funder=funder, service_name=service, **paid
        )

    said: dict[tuple[str, str], list[Decimal]] = {}
    for found in lines_by_payer(make_period()):
        for line in found.lines:
            sums = said.setdefault((line.service_name, line.funding_account.code), [Decimal(0), Decimal(0)])
            sums[0] += line.list_amount
            sums[1] += line.due_amount

    period, pi, project, source = make_period(), make_pi(), make_project(), make_source()
    assert {
        (service, code): [*of_line(Line(period, pi, project, source, service, make_fund(code)))]
        for service, code in said
    } == said


def test_corrections_of_a_line_count_and_those_of_others_do_not() -> None:
    charge = make_charge(list_amount="100", due_amount="50")
    other = make_charge(list_amount="10", due_amount="5", service_name="Storage")
    text = {"description": "Credit", "reason": "Agreed by mail", "kind": "credit", "funding_account": make_fund()}
    whose = {"period": charge.period, "pi": charge.pi, "project": charge.project}
    for about, due in ((charge, "-20"), (other, "-3"), (None, "-7")):
        Adjustment.objects.create(**whose, **text, charge=about, due_amount=due)

    line = Line(charge.period, charge.pi, charge.project, charge.source, "HPC Cluster", make_fund())

    assert of_line(line) == (100, 30)
