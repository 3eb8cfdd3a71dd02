"""Foreign currency: a charge's amounts in its month's currency, always from the delivered costs, never from a result."""

from decimal import Decimal

from charges import pricing
from charges.models import Charge, ExchangeRate
from charges.money import BILLIONTH, EXACT, ZERO


def convert(charge: Charge) -> bool:
    """Set list, contracted and due by the month's rate of the source; False where no rate is entered yet."""
    rate = ExchangeRate.objects.filter(
        source=charge.source_id, period=charge.period_id, currency=charge.billing_currency
    ).first()
    if rate is None:
        return False
    price = _original(charge)
    charge.exchange_rate = rate
    charge.list_amount = _times(price.list, rate.rate)
    charge.contracted_amount = _times(price.contracted, rate.rate)
    charge.due_amount = _times(price.due, rate.rate)
    return True


def revert(charge: Charge) -> None:
    """Back to the amounts in the charge's own currency."""
    price = _original(charge)
    charge.exchange_rate = None
    charge.list_amount, charge.contracted_amount, charge.due_amount = price.list, price.contracted, price.due


def _original(charge: Charge) -> pricing.Price:
    costs = pricing.Costs(charge.billed_cost, charge.effective_cost, charge.list_cost, charge.contracted_cost)
    due = pricing.amount_due(
        costs,
        basis=charge.source.basis,
        is_commitment_purchase=charge.charge_category == "Purchase" and bool(charge.commitment_discount_id),
    )
    return pricing.price(
        costs,
        ZERO if due is None else due,
        category=charge.charge_category,
        commitment_id=charge.commitment_discount_id,
        is_own_service=charge.source.is_own_service,
        funder=charge.funder,
    )


def _times(amount: Decimal, rate: Decimal) -> Decimal:
    return EXACT.multiply(amount, rate).quantize(BILLIONTH, context=EXACT)
