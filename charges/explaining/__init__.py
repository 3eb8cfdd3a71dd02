"""Why was I charged this? A charge back to the row of its file, through all that rules and people decided."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from charges.explaining.decided import Decision, decisions
from charges.explaining.delivered import Row, row_of
from charges.explaining.steps import Part, parts
from charges.flags import LABELS
from charges.models import Adjustment, Charge, Correction, Dispute

Kind = Charge.Kind
RELATED = ("period", "source", "file__focus_import__source", "pi", "project__default_fund", "project__fallback_fund",
           "funding_account", "loaded_by", "replaces", "origin__period", "exchange_rate", "decided_by")  # fmt: skip
OF_ORIGIN = {
    Kind.CARRIED: "Deferred from",
    Kind.LATE: "Late difference to",
    Kind.REVERSAL: "Takes back",
    Kind.REBILL: "Bills anew",
    Kind.PART: "Some days of",
}
TO_COPY = {
    Kind.CARRIED: "Carried over as",
    Kind.LATE: "Late difference in",
    Kind.REVERSAL: "Taken back by",
    Kind.REBILL: "Billed anew by",
    Kind.PART: "Billed in parts:",
}


@dataclass(frozen=True, slots=True)
class Relation:
    words: str
    charge: Charge


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of one charge, as one kind of reader may see it."""

    charge: Charge
    row: Row
    parts: list[Part]
    flags: list[tuple[str, str]]
    decisions: list[Decision]
    adjustments: Sequence[Adjustment]
    disputes: Sequence[Dispute]
    corrections: Sequence[Correction]
    relations: list[Relation]

    @property
    def is_copy(self) -> bool:
        """Its payer was copied, not looked for."""
        return self.charge.kind in (Kind.REVERSAL, Kind.CARRIED)


def explain(charge: Charge, *, for_payer: bool = False) -> Explanation:
    """`for_payer`: without names and notes of staff, and without what the row says of other people."""
    row, made = row_of(charge), decisions(charge)
    found = parts(charge, row, made, for_payer=for_payer)
    adjustments = _adjustments(charge)
    if for_payer:
        pi = found[0]
        row = row if _names_nobody_else(row, pi) else row.without_tags()
        made = [decision.for_payer() for decision in made]
        adjustments = adjustments.exclude(Q(withdrawn_at__isnull=False) | Q(needs_approval=True, approved_at=None))
    return Explanation(
        charge=charge,
        row=row,
        parts=found,
        flags=[(LABELS.get(flag, flag), "" if for_payer else why) for flag, why in charge.flags.items()],
        decisions=made,
        adjustments=list(adjustments),
        disputes=list(_disputes(charge)),
        corrections=list(_corrections(charge)),
        relations=_relations(charge),
    )


def _names_nobody_else(row: Row, pi: Part) -> bool:
    return not any(step.says == "Names somebody else." for step in pi.steps)


def _adjustments(charge: Charge) -> QuerySet[Adjustment]:
    return charge.adjustments.select_related("created_by", "approved_by", "period", "campaign").order_by("pk")


def _disputes(charge: Charge) -> QuerySet[Dispute]:
    """Of the charge, or of the line that sums it."""
    payer = {"period": charge.period, "pi": charge.pi, "project": charge.project}
    line = Q(charge=None, source=charge.source, service_name=charge.service_name, **payer)
    if charge.fund_step != Charge.FundStep.SPLIT:
        line &= Q(funding_account=charge.funding_account) | Q(funding_account=None)
    return Dispute.objects.filter(Q(charge=charge) | line).select_related("period", "source", "charge").order_by("pk")


def _corrections(charge: Charge) -> QuerySet[Correction]:
    concerned = Q(original=charge) | Q(reversal=charge) | Q(rebill=charge)
    return Correction.objects.filter(concerned).select_related("original", "created_by").order_by("pk")


def _relations(charge: Charge) -> list[Relation]:
    found = [Relation(OF_ORIGIN.get(Kind(charge.kind), "Comes from"), charge.origin)] if charge.origin else []
    if charge.replaces:
        found.append(Relation("Replaces, from an earlier delivery,", charge.replaces))
    later = Charge.objects.current().select_related("period")
    copies = later.filter(origin=charge).order_by("pk")
    found += [Relation(TO_COPY.get(Kind(copy.kind), "Led to"), copy) for copy in copies]
    found += [Relation("Replaced, by a later delivery, by", new) for new in later.filter(replaces=charge)]
    return found
