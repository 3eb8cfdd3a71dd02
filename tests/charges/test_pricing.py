"""Amount due, list and contract price of one row, case by case."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charges.money import from_billionths, to_billionths
from charges.pricing import Costs, Price, amount_due, has_odd_purchase_costs, is_as_delivered, is_prepaid, price

small = st.one_of(st.none(), st.integers(-4, 4))


def costs(billed: object = None, effective: object = None, list: object = None, contracted: object = None) -> Costs:  # noqa: A002
    given = (billed, effective, list, contracted)
    return Costs(*(None if value is None else to_billionths(Decimal(str(value))) for value in given))


def priced(
    given: Costs, due: object, *, category: str = "Usage", commitment_id: str = "", own: bool = False, funder: str = ""
) -> tuple[Decimal, Decimal, Decimal]:
    """(list, provider discount, subsidy)"""
    result = price(
        given,
        to_billionths(Decimal(str(due))),
        category=category,
        commitment_id=commitment_id,
        is_own_service=own,
        funder=funder,
    )
    parts = (result.list, result.contracted - result.list, result.due - result.contracted)
    return tuple(map(from_billionths, parts))


@pytest.mark.parametrize(
    ("row", "basis", "is_commitment_purchase", "due"),
    [
        (costs(billed=5, effective=3), "effective_cost", False, "3"),
        (costs(billed=5, effective=3), "billed_cost", False, "5"),
        (costs(billed=5), "effective_cost", False, "5"),
        (costs(billed=5), "effective_cost", True, "0"),
        (costs(effective=0, billed=5), "effective_cost", False, "0"),
        (costs(effective=-4), "effective_cost", False, "-4"),
    ],
)
def test_due_follows_the_basis(row: Costs, basis: str, is_commitment_purchase: bool, due: str) -> None:
    assert amount_due(row, basis=basis, is_commitment_purchase=is_commitment_purchase) == to_billionths(Decimal(due))


def test_a_row_without_any_amount_has_no_due() -> None:
    assert amount_due(costs(list=5), basis="effective_cost", is_commitment_purchase=False) is None
    assert amount_due(costs(effective=5), basis="billed_cost", is_commitment_purchase=False) is None


@pytest.mark.parametrize(
    ("row", "due", "options", "expected"),
    [
        # negotiated with the provider
        (costs(list=100, contracted=85), 85, {}, ("100", "-15", "0")),
        # the cluster: list = contracted, nothing due
        (costs(list=2400, contracted=2400), 0, {}, ("2400", "0", "-2400")),
        # both
        (costs(list=100, contracted=85), 40, {}, ("100", "-15", "-45")),
        # list unknown: null, zero, smaller, or of the other sign
        (costs(), 40, {}, ("40", "0", "0")),
        (costs(list=0), 40, {}, ("40", "0", "0")),
        (costs(list=30), 40, {}, ("40", "0", "0")),
        (costs(list=-50), 40, {}, ("40", "0", "0")),
        # contract unknown: due where nobody funds, list where somebody does
        (costs(list=100), 40, {}, ("100", "-60", "0")),
        (costs(list=100), 40, {"funder": "Provost"}, ("100", "0", "-60")),
        (costs(list=100, contracted=0), 40, {"funder": "Provost"}, ("100", "0", "-60")),
        (costs(list=100, contracted=120), 40, {}, ("100", "-60", "0")),
        # an own service, a commitment, a credit
        (costs(list=100, contracted=85), 40, {"own": True}, ("100", "0", "-60")),
        (costs(list=100, contracted=85), 40, {"commitment_id": "sp-1"}, ("100", "-60", "0")),
        (costs(list=-7, contracted=-7), -7, {"category": "Credit", "funder": "Provost"}, ("0", "-7", "0")),
    ],
)
def test_discount_is_split(row: Costs, due: object, options: dict[str, object], expected: tuple[str, ...]) -> None:
    assert priced(row, due, **options) == tuple(map(Decimal, expected))  # type: ignore[arg-type]


money = st.none() | st.decimals(min_value=-(10**6), max_value=10**6, places=2)


@given(list_cost=money, contracted=money, due=st.decimals(min_value=-(10**6), max_value=10**6, places=2))
def test_a_row_and_its_refund_cancel_in_every_figure(list_cost: Decimal, contracted: Decimal, due: Decimal) -> None:
    refund = costs(
        list=None if list_cost is None else -list_cost, contracted=None if contracted is None else -contracted
    )

    row = priced(costs(list=list_cost, contracted=contracted), due)

    assert priced(refund, -due) == tuple(-figure for figure in row)
    assert sum(row) == due


def test_the_prepaid_purchase_and_the_usage_it_covers_are_not_billed_twice() -> None:
    def of(basis: str, category: str, status: str, *, is_due: bool, is_billed: bool) -> bool:
        return is_prepaid(is_due=is_due, is_billed=is_billed, basis=basis, category=category, commitment_status=status)

    assert of("effective_cost", "Purchase", "", is_due=False, is_billed=True)
    assert not of("effective_cost", "Purchase", "", is_due=False, is_billed=False)
    assert not of("effective_cost", "Usage", "Used", is_due=True, is_billed=False)
    assert of("billed_cost", "Usage", "Used", is_due=False, is_billed=False)
    assert not of("billed_cost", "Purchase", "", is_due=True, is_billed=True)


@given(small, small, small, st.sampled_from(["", "Provost"]))
def test_what_is_said_to_be_as_delivered_is_priced_so(list_cost, contracted, due, funder) -> None:
    row = Costs(list=list_cost, contracted=contracted)
    found = price(row, due or 0, category="Usage", commitment_id="", is_own_service=False, funder=funder)

    if is_as_delivered(list_cost, contracted, due or 0):
        assert found == Price(list_cost, contracted, due or 0, has_list=True)


@pytest.mark.parametrize(("effective", "is_odd"), [(None, True), (0, False), (5, True)])
def test_commitment_purchase_with_an_effective_cost_is_odd(effective: object, is_odd: bool) -> None:
    row = costs(billed=5, effective=effective)

    found = has_odd_purchase_costs(row, basis="effective_cost", category="Purchase", commitment_id="sp-1")

    assert found is is_odd
