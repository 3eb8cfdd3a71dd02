"""Foreign currency: a charge's amounts in its month's currency, always from the delivered costs, never from a result."""

from decimal import Decimal

from charges import pricing
from charges.models import Charge, ExchangeRate
from charges.money import BILLIONTH, EXACT, from_billionths, to_billionths


def convert(charge: Charge) -> bool:
    """Set list, contracted and due by the month's rate of the source; False where no rate is entered yet."""
    rate = ExchangeRate.objects.filter(
        source=charge.source_id, period=charge.period_id, currency=charge.billing_currency
    ).first()
    if rate is None:
        return False
    charge.exchange_rate = rate
    charge.list_amount, charge.contracted_amount, charge.due_amount = (
        _times(amount, rate.rate) for amount in _original(charge)
    )
    return True


def revert(charge: Charge) -> None:
    """Back to the amounts in the charge's own currency."""
    charge.exchange_rate = None
    charge.list_amount, charge.contracted_amount, charge.due_amount = _original(charge)


def _original(charge: Charge) -> tuple[Decimal, Decimal, Decimal]:
    """List, contracted and due as delivered."""
    delivered = (charge.billed_cost, charge.effective_cost, charge.list_cost, charge.contracted_cost)
    costs = pricing.Costs(*(None if cost is None else to_billionths(cost) for cost in delivered))
    due = pricing.amount_due(
        costs,
        basis=charge.source.basis,
        is_commitment_purchase=charge.charge_category == "Purchase" and bool(charge.commitment_discount_id),
    )
    price = pricing.price(
        costs,
        due or 0,
        category=charge.charge_category,
        commitment_id=charge.commitment_discount_id,
        is_own_service=charge.source.is_own_service,
        funder=charge.funder,
    )
    return from_billionths(price.list), from_billionths(price.contracted), from_billionths(price.due)


def _times(amount: Decimal, rate: Decimal) -> Decimal:
    return EXACT.multiply(amount, rate).quantize(BILLIONTH, context=EXACT)
