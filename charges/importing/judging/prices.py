"""What rows cost, by columns. Nearly all are priced as delivered; about the others, the rule is asked row by row."""

from dataclasses import dataclass

from charges.importing.checking.rows import Rows
from charges.importing.reading.coded import Coded, together
from charges.pricing import Costs, is_as_delivered, price


@dataclass(slots=True)
class Prices:
    """In the row's currency, billionths; `has_list` where the delivered list price was used."""

    list: Coded[int]
    contracted: Coded[int]
    due: Coded[int]
    has_list: Coded[bool]


def priced(rows: Rows, funders: Coded[str], *, is_own_service: bool) -> Prices:
    """By `charges.pricing.price`."""
    lists, contracts = [*rows.amount("ListCost")], [*rows.amount("ContractedCost")]
    categories, commitments = rows.text("charge_category"), rows.text("commitment_discount_id")
    special = together(categories, commitments).map(lambda said: is_own_service or said[0] == "Credit" or bool(said[1]))
    plain = map(is_as_delivered, lists, contracts, rows.due)
    unlisted = {}
    for at, (is_plain, is_special) in enumerate(zip(plain, special, strict=True)):
        if is_plain and not is_special:
            continue
        one = price(
            Costs(list=lists[at], contracted=contracts[at]),
            rows.due[at],
            category=categories[at],
            commitment_id=commitments[at],
            is_own_service=is_own_service,
            funder=funders[at],
        )
        lists[at], contracts[at] = one.list, one.contracted
        if not one.has_list:
            unlisted[at] = False
    has_list = Coded.same(True, len(rows)).replaced(unlisted).distinct()
    return Prices(Coded.each(lists), Coded.each(contracts), rows.due, has_list)  # type: ignore[arg-type]
