"""Copies of a charge that was billed: its other side, with every sign changed, and the beginning of its rebill."""

from collections.abc import Iterable
from typing import Any

from charges.models import Charge, Source

AMOUNTS = (
    "billed_cost", "effective_cost", "list_cost", "contracted_cost", "list_amount", "contracted_amount", "due_amount",
)  # fmt: skip
RELATED = ("source", "pi", "project", "funding_account")


def lock_sources(keys: Iterable[int]) -> None:
    """Until the transaction ends: of two people who reverse a charge of a closed month, one sees what the other did."""
    list(Source.objects.select_for_update(no_key=True).filter(pk__in=set(keys)).order_by("pk"))


def copy_of(charge: Charge, kind: str) -> Charge:
    """Unsaved and linked to its original, with all that is stored of it; whoever loads it says where.

    PI and project by the name that they go by since they were merged; a project whose charge is split keeps its own,
    which the shares belong to.
    """
    copy = Charge(**{field.attname: getattr(charge, field.attname) for field in Charge._meta.concrete_fields})
    for name in RELATED:
        relation: Any = Charge._meta.get_field(name)
        if relation.is_cached(charge):  # or it would be read again
            setattr(copy, name, getattr(charge, name))
    copy.pk, copy.kind, copy.origin, copy.replaces_id = None, kind, charge, None
    copy.superseded_by_id = None
    copy.pi = charge.pi and charge.pi.standing
    if charge.fund_step != Charge.FundStep.SPLIT:
        copy.project = charge.project and charge.project.standing
    return copy


def reversal_of(charge: Charge) -> Charge:
    """The stored figures with the sign changed; fund, code, source and payer as they were. Nothing is priced anew."""
    reversal = copy_of(charge, Charge.Kind.REVERSAL)
    for name in AMOUNTS:
        amount = getattr(charge, name)
        setattr(reversal, name, None if amount is None else -amount)
    reversal.pricing_quantity = _negated(charge.pricing_quantity)
    return reversal


def _negated(quantity: str) -> str:
    return quantity[1:] if quantity.startswith("-") else f"-{quantity}" if quantity else ""
