"""What a row costs: amount due, list price and contract price, from the four FOCUS cost columns, in billionths.

Rules: FOCUS §BilledCost, §EffectiveCost, §ListCost, §ContractedCost, and the institution's own on subsidies.
"""

from typing import NamedTuple


class Price(NamedTuple):
    """Amounts in the row's currency. Provider discount = contracted − list; subsidy = due − contracted."""

    list: int
    contracted: int
    due: int
    has_list: bool = True


class Costs(NamedTuple):
    """The four cost columns of a row; None where the column is absent or null."""

    billed: int | None = None
    effective: int | None = None
    list: int | None = None
    contracted: int | None = None


def amount_due(costs: Costs, *, basis: str, is_commitment_purchase: bool) -> int | None:
    """The basis column; effective falls back to billed, but never for the purchase of a commitment."""
    if basis == "billed_cost":
        return costs.billed
    if costs.effective is not None:
        return costs.effective
    return 0 if is_commitment_purchase and costs.billed is not None else costs.billed


def is_prepaid(*, is_due: bool, is_billed: bool, basis: str, category: str, commitment_status: str) -> bool:
    """Paid for elsewhere: the purchase itself on the effective basis, the usage it covers on the billed basis."""
    if is_due:
        return False
    if basis == "billed_cost":
        return commitment_status == "Used"
    return category == "Purchase" and is_billed


def has_odd_purchase_costs(costs: Costs, *, basis: str, category: str, commitment_id: str) -> bool:
    """A commitment's purchase that carries an effective cost, or none at all: its usage would be billed twice."""
    is_commitment_purchase = category == "Purchase" and bool(commitment_id)
    return basis == "effective_cost" and is_commitment_purchase and (costs.effective is None or costs.effective != 0)


def price(costs: Costs, due: int, *, category: str, commitment_id: str, is_own_service: bool, funder: str) -> Price:
    """Resolve list and contract price. Magnitudes are compared, so a row and its refund cancel in every figure."""
    if category == "Credit":
        return Price(list=0, contracted=due, due=due)
    _, _, list_cost, contract_cost = costs
    has_list = _is_list_known(list_cost, due)
    list_price = list_cost if has_list and list_cost is not None else due
    if is_own_service:
        contracted = list_price
    elif commitment_id:
        contracted = due
    elif _is_contract_known(contract_cost, due, list_price) and contract_cost is not None:
        contracted = contract_cost
    else:
        contracted = list_price if funder else due
    return Price(list_price, contracted, due, has_list)


def is_as_delivered(list_cost: int | None, contract_cost: int | None, due: int) -> bool:
    """Whether list and contract price are what was delivered, unless it is a credit, of a commitment, or an own service."""
    return list_cost is not None and contract_cost is not None and 0 <= due <= contract_cost <= list_cost


def _is_list_known(list_cost: int | None, due: int) -> bool:
    if list_cost is None:
        return False
    return 0 <= due <= list_cost or list_cost <= due <= 0 or due == 0


def _is_contract_known(contracted: int | None, due: int, list_price: int) -> bool:
    if contracted is None or (contracted == 0 and due != 0):
        return False
    return due <= contracted <= list_price or list_price <= contracted <= due
