"""Copies of a charge that was billed: its other side, with every sign changed, and the beginning of its rebill."""

from collections.abc import Iterable
from typing import Any

from charges.models import Charge, Source
from charges.models.charge import ChargeQuerySet
from periods.errors import Refused
from periods.models import BillingPeriod

Status, Kind = Charge.ReviewStatus, Charge.Kind

AMOUNTS = (
    "billed_cost", "effective_cost", "list_cost", "contracted_cost", "list_amount", "contracted_amount", "due_amount",
)  # fmt: skip
RELATED = ("source", "pi", "project", "funding_account")
BILLED = (Status.CLEAR, Status.APPROVED, Status.SHARED)
ELSEWHERE = {Status.DIVIDED: Kind.PART, Status.DEFERRED: Kind.CARRIED}  # what bills such a charge in its place


def lock_sources(keys: Iterable[int]) -> None:
    """Until the transaction ends: of two people who reverse a charge of a closed month, one sees what the other did."""
    list(Source.objects.select_for_update(no_key=True).filter(pk__in=set(keys)).order_by("pk"))


def reversals_of(charges: Any) -> ChargeQuerySet:
    """The current ones, whatever is decided about them. `charges` are rows, keys, or a query of either."""
    late = Charge.objects.current().exclude(late_month="")  # few, and by an index
    return late.filter(kind=Kind.REVERSAL, origin__in=charges)


def originals_of(charges: Iterable[Charge]) -> dict[int, int]:
    """What the reversals among them reverse, by key: copies of deferred ones are such too."""
    found = {charge.pk: charge for charge in charges}
    while carried := {pk: at.origin_id for pk, at in found.items() if at.kind == Kind.CARRIED and at.origin_id}:
        origins = Charge.objects.only("kind", "origin").in_bulk(set(carried.values()))
        found |= {pk: origins[origin] for pk, origin in carried.items()}
    return {pk: at.origin_id for pk, at in found.items() if at.kind == Kind.REVERSAL and at.origin_id}


def with_copies(charges: Iterable[Charge]) -> list[Charge]:
    """These, and what bills them instead: parts, and copies in later months. None of those is reversed already."""
    found = list(charges)
    origins = [charge.pk for charge in found if charge.review_status in ELSEWHERE]
    while origins:
        copies = Charge.objects.current().filter(kind__in=ELSEWHERE.values(), origin__in=origins)
        related = copies.select_related("period", "pi__merged_into", "project__merged_into").order_by("pk")
        found += related.exclude(pk__in=reversals_of(copies).values("origin"))
        origins = list(copies.values_list("pk", flat=True))  # of what was corrected, the rebill
    return found


def carried_to(deferred: Iterable[int]) -> dict[int, int]:
    """By key, the last of the copies that were carried over of each; itself where there is none yet."""
    found = {pk: pk for pk in deferred}
    copies = Charge.objects.current().filter(kind=Kind.CARRIED).order_by("pk")
    while steps := dict(copies.filter(origin__in=found.values()).values_list("origin", "pk")):
        found = {pk: steps.get(at, at) for pk, at in found.items()}
    return found


def require_unreversed(charges: Any) -> None:
    """Raises Refused where one was given back already: a credit on it, or more due, would be on top of that."""
    for original, period in reversed_among(charges).items():
        raise Refused(f"charge {original} was reversed in {period}: nothing of it is due any more.")


def reversed_among(charges: Any) -> dict[int, BillingPeriod]:
    """Those whose reversal is billed, by key, and where. `charges` are rows, keys, or a query of either."""
    reversals = with_copies(reversals_of(charges).select_related("period"))
    originals = originals_of(reversals)
    return {originals[found.pk]: found.period for found in reversals if found.review_status in BILLED}


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
    copy.superseded_by_id = copy.payer_before = None
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
