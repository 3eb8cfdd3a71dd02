from decimal import Decimal

import pytest

from charges.models import Adjustment
from statements.lines import lines_by_payer
from tests.make import make_charge, make_fund, make_period, make_pi, make_project, make_source
from tests.statements.line_figures import lines, make_split, split_charge

pytestmark = pytest.mark.django_db


def figures(line):
    names = ("list_amount", "provider_discount", "subsidy", "adjustments", "due_amount")
    return tuple(getattr(line, name) for name in names)


def amounts(*texts):
    return tuple(map(Decimal, texts))


def make_adjustment(**kwargs):
    return Adjustment.objects.create(
        **{
            "period": make_period(),
            "kind": "credit",
            "pi": make_pi(),
            "project": make_project(),
            "funding_account": make_fund(),
            "description": "Goodwill",
            "due_amount": Decimal(-10),
            "reason": "agreed with the PI",
            **kwargs,
        }
    )


def test_line_of_a_subsidized_charge_shows_list_and_zero_due():
    make_charge(list_amount="2400", due_amount="0", funder="Provost")

    (line,) = lines()

    assert figures(line) == amounts("2400.00", "0.00", "-2400.00", "0.00", "0.00")
    assert (line.funder, line.charges, line.credit_account) == ("Provost", 1, "cluster")


def test_line_is_rounded_once_after_summing():
    for _ in range(3):
        make_charge(list_amount="0.005", contracted_amount="0.005", due_amount="0.005")

    (line,) = lines()

    assert figures(line) == amounts("0.02", "0.00", "0.00", "0.00", "0.02")


def test_line_rounds_half_away_from_zero_on_both_sides():
    make_charge(list_amount="0.005", contracted_amount="0.005", due_amount="0.005", service_name="a")
    make_charge(list_amount="-0.005", contracted_amount="-0.005", due_amount="-0.005", service_name="b")

    assert [str(line.due_amount) for line in lines()] == ["0.01", "-0.01"]


def test_line_splits_the_discount_at_the_contract_price():
    make_charge(list_amount="10", contracted_amount="8", due_amount="3")

    (line,) = lines()

    assert figures(line) == amounts("10.00", "-2.00", "-5.00", "0.00", "3.00")


def test_charge_and_its_refund_leave_a_line_of_zeros():
    make_charge(list_amount="10", due_amount="10")
    make_charge(list_amount="-10", due_amount="-10")

    (line,) = lines()

    assert figures(line) == amounts("0.00", "0.00", "0.00", "0.00", "0.00")
    assert line.charges == 2


@pytest.mark.parametrize("status", ["held", "excluded", "deferred", "not_billable"])
def test_undecided_and_excluded_charges_are_on_no_line(status):
    make_charge(review_status=status)

    assert lines() == []


def test_superseded_charge_is_on_no_line():
    charge = make_charge()
    charge.superseded_by = charge.loaded_by
    charge.save()

    assert lines() == []


def test_charge_of_another_month_is_on_no_line():
    make_charge(period=make_period("2025-02"))

    assert lines() == []


@pytest.mark.parametrize(
    "differs",
    [
        {"service_name": "Storage"},
        {"account_code": "7000"},
        {"funder": "Dean"},
        {"funding_account": "NSF-2"},
        {"source": "tape"},
    ],
)
def test_line_for_each_source_service_code_funder_and_fund(differs):
    makers = {"funding_account": make_fund, "source": make_source}
    make_charge()
    make_charge(**{name: makers.get(name, str)(value) for name, value in differs.items()})

    assert [line.charges for line in lines()] == [1, 1]


def test_fund_step_alone_makes_no_second_line():
    make_charge(fund_step="tag", list_amount="0.004", due_amount="0.004")
    make_charge(fund_step="rule", list_amount="0.004", due_amount="0.004")

    (line,) = lines()

    assert (line.charges, str(line.due_amount)) == (2, "0.01")


def test_account_code_is_that_of_tag_account_source_institution_or_unassigned(settings):
    fund, source = make_fund(account_code="of fund"), make_source(account_code="of source")

    def code_now():
        return lines()[0].account_code

    charge = make_charge(account_code="of tag", source=source)
    assert code_now() == "of tag"
    charge.account_code = ""
    charge.save()
    assert code_now() == "of fund"
    fund.account_code = ""
    fund.save()
    assert code_now() == "of source"
    source.account_code = ""
    source.save()
    settings.DEFAULT_ACCOUNT_CODE = "of institution"
    assert code_now() == "of institution"
    settings.DEFAULT_ACCOUNT_CODE = ""
    assert code_now() == "UNASSIGNED"


def test_tagged_code_equal_to_the_account_s_own_makes_one_line():
    make_fund(account_code="7000")
    make_charge(account_code="7000", list_amount="0.004", due_amount="0.004")
    make_charge(account_code="", list_amount="0.004", due_amount="0.004")

    (line,) = lines()

    assert str(line.due_amount) == "0.01"


def test_yen_have_no_cents():
    period = make_period(currency="JPY")
    make_charge(period=period, list_amount="100.5", due_amount="99.4")

    assert figures(lines(period)[0]) == amounts("101", "0", "-2", "0", "99")


def test_credit_is_one_line_in_the_adjustments_column():
    adjustment = make_adjustment()

    (line,) = lines()

    assert figures(line) == amounts("0.00", "0.00", "0.00", "-10.00", "-10.00")
    assert (line.kind, line.description, line.adjustment, line.credit_account) == (
        "adjustment",
        "Goodwill",
        adjustment,
        "ADJUSTMENTS",
    )


def test_correction_carries_due_less_list_as_adjustment():
    make_adjustment(kind="correction", list_amount=Decimal(-40), due_amount=Decimal(-15), source=make_source())

    assert figures(lines()[0]) == amounts("-40.00", "0.00", "0.00", "25.00", "-15.00")


def test_manual_charge_shows_what_is_left_off_its_list_price_as_subsidy():
    source = make_source("parts", funder="Provost")
    make_adjustment(
        kind="manual", source=source, list_amount=Decimal(40), due_amount=Decimal(0), description="1 TB SSD"
    )

    (line,) = lines()

    assert figures(line) == amounts("40.00", "0.00", "-40.00", "0.00", "0.00")
    assert (line.funder, line.credit_account, line.description) == ("Provost", "parts", "1 TB SSD")


def test_write_off_is_borne_by_the_account_it_names():
    make_adjustment(kind="write_off", borne_by=make_fund("DEAN"), source=make_source())

    (line,) = lines()

    assert (line.funding_account.code, line.credit_account, str(line.due_amount)) == ("NSF-1", "DEAN", "-10.00")


def test_credit_on_a_charge_goes_against_the_charge_s_source():
    make_adjustment(charge=make_charge(source=make_source("tape")))

    assert lines()[-1].credit_account == "tape"


@pytest.mark.parametrize(
    "kwargs", [{"due_amount": Decimal(0)}, {"due_amount": Decimal("-0.004")}, {"withdrawn_at": "2025-02-01T00:00Z"}]
)
def test_adjustment_without_effect_makes_no_line(kwargs):
    make_adjustment(**kwargs)

    assert lines() == []


def test_payers_come_by_name_and_each_once():
    for email, project in [("zoe@example.edu", "b"), ("ada@example.edu", "b"), ("ada@example.edu", "a")]:
        make_charge(pi=make_pi(email), project=make_project(project))
    make_adjustment(pi=make_pi("ada@example.edu"), project=make_project("b"))

    found = [(make_pi_name(each), len(each.lines)) for each in lines_by_payer(make_period())]

    assert found == [("ada a", 1), ("ada b", 2), ("zoe b", 1)]


def make_pi_name(found):
    pi = make_pi("ada@example.edu") if make_pi("ada@example.edu").pk == found.payer.pi else make_pi("zoe@example.edu")
    project = make_project("a") if make_project("a").pk == found.payer.project else make_project("b")
    return f"{pi.name} {project.code}"


@pytest.mark.parametrize("count", [1, 3])
def test_lines_cost_the_same_queries_for_any_number_of_charges(count, django_assert_num_queries):
    make_split(("B", 40), remainder="A")
    for number in range(count):
        split_charge(pi=make_pi(f"pi{number}@example.edu"), service_name=f"service {number}")
        make_adjustment(charge=make_charge(service_name=f"other {number}"), source=make_source())

    period = make_period()

    with django_assert_num_queries(9):
        found = lines(period)

    assert len(found) == count * 2 + count + count


def test_a_late_correction_is_a_line_of_its_own_by_the_split_of_its_month():
    """In January A bore all of it, since February half."""
    make_split(first_month="2025-01", last_month="2025-01", remainder="A")
    make_split(("B", 50), first_month="2025-02", remainder="A")
    february = make_period("2025-02")
    split_charge(period=february, list_amount="10", due_amount="10")
    split_charge(period=february, list_amount="-4", due_amount="-4", kind="reversal", late_month="2025-01")

    found = [(line.description, line.funding_account.code, line.due_amount) for line in lines(february)]

    assert found == [
        ("", "A", Decimal("5.00")),
        ("", "B", Decimal("5.00")),
        ("Correction of 2025-01", "A", Decimal("-4.00")),
    ]
