"""What people decided about charges goes to the rows that take their place.

Before the delivery is loaded, a batch at a time; what they decide meanwhile goes along while it is.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from charges.attribution.funding import ProjectFunds
from charges.attribution.undoing import remember
from charges.converting import convert, revert
from charges.dividing import divide_decided
from charges.flags import PAYER_FLAGS, ChangedAfterApproval
from charges.importing.checking.totals import short
from charges.importing.loading.allocated import billed_again, divided_no_more, divided_since
from charges.importing.loading.asking import ask_again, ask_still
from charges.importing.loading.end_dates import decided_apart, decided_as_one, parts_in_place_of, whole_again
from charges.importing.loading.pairing import ASKED, decided, in_batches
from charges.models import Charge, FocusImport, Source
from charges.models.charge import ChargeQuerySet
from charges.review import BILLED_ELSEWHERE, settle_payer_flags
from charges.rewriting import rewrite
from charges.sharing import is_shareable
from periods.blockers import counted
from periods.errors import Refused

Status = Charge.ReviewStatus
PAYER = ("pi__merged_into", "project__merged_into", "funding_account__merged_into")
DECIDED = (
    "pi", "project", "funding_account", "fund_step", "flags", "review_status", "decided_by", "decided_at",
    "decision_reason", "payer_before", "exchange_rate", "list_amount", "contracted_amount", "due_amount",
)  # fmt: skip
Seen = Mapping[int, datetime | None]  # charges that somebody decided about, and when


@dataclass
class Succession:
    """Rows of an import that take the place of charges; all by their keys."""

    focus_import: FocusImport
    pairs: Mapping[int, int]  # row → the charge of which the decision holds
    earlier: Collection[int]  # of those charges, which an earlier delivery superseded
    again: Collection[int] = ()  # of those rows, which replace a charge that nobody was billed for
    seen: Seen = field(default_factory=dict)

    @classmethod
    def of(cls, focus_import: FocusImport, pairs: Mapping[int, int], returned: Collection[int]) -> "Succession":
        """`pairs` are row → the charge that it replaces; those `returned` an earlier delivery superseded."""
        again = billed_again(pairs)
        billed = {row: charge for row, charge in again.items() if charge}
        return cls(focus_import, {**pairs, **billed}, {*returned, *billed.values()}, again.keys())

    def carry(self) -> None:
        """Let decisions go to the rows, before they count."""
        self.seen = self._decided()
        self._carry(self.seen)
        asked = {pk: flags for some in self._replaced() for pk, flags in some.filter(ASKED).values_list("pk", "flags")}
        if asked:
            ask_still({**self.pairs, **parts_in_place_of(self.focus_import, self.pairs)}, asked)
        ask_again(divided_no_more(self.focus_import, self.again))

    def carry_rest(self) -> None:
        """What was decided since. Raises Refused where a decision that went along already is another now."""
        now = self._decided()
        if others := sum(now.get(charge) != moment for charge, moment in self.seen.items()):
            raise Refused(
                f"Somebody changed what was decided about {counted(others, 'charge', 'charges')} that this delivery "
                "replaces, while it was loaded. Run it again."
            )
        self._carry(now.keys() - self.seen.keys())

    def _replaced(self) -> Iterator[ChargeQuerySet]:
        """The charges, and the parts of those that were divided by days."""
        parts = Charge.objects.filter(kind=Charge.Kind.PART, origin__isnull=False)
        yield Charge.objects.filter(superseded_by=self.focus_import)
        yield parts.filter(origin__superseded_by=self.focus_import)
        for charges in in_batches(self.earlier):
            yield charges
            yield parts.filter(origin__in=charges)

    def _decided(self) -> Seen:
        return {pk: moment for some in self._replaced() for pk, moment in decided(some).values_list("pk", "decided_at")}

    def _carry(self, charges: Collection[int]) -> None:
        if not charges:
            return
        heirs = {row: old for row, old in self.pairs.items() if old in charges}
        carry_decisions(heirs, self.focus_import.source)
        parts = parts_in_place_of(self.focus_import, self.pairs)  # some were made just now, for another payer
        wholes = whole_again(self.pairs, charges)
        heard = {part: old for part, old in parts.items() if old in charges}
        carry_decisions(heard | decided_as_one(wholes), self.focus_import.source)
        apart = decided_apart(wholes)
        ask_again(apart | divided_since(self.focus_import, heirs | apart))


def carry_decisions(pairs: Mapping[int, int], source: Source) -> None:
    """What people decided about a row holds for its changed form; an approval only if due hardly moved."""
    by_old: dict[int, list[int]] = {}
    for key, old_key in pairs.items():
        by_old.setdefault(old_key, []).append(key)
    for charges in in_batches(by_old):
        changed = []
        old_ones = {old.pk: old for old in decided(charges).prefetch_related(*PAYER)}
        new_ones = by_key(key for pk in old_ones for key in by_old[pk])
        for new in new_ones.values():
            old = old_ones[pairs[new.pk]]
            if new.review_status not in BILLED_ELSEWHERE:
                _carry(old, new, source)
                changed.append(new)
        with transaction.atomic():
            rewrite(changed, DECIDED)
            divide_decided(changed)


def carry_payer(old: Charge, new: Charge) -> None:
    """Of a decided charge: who pays goes along as one, never a PI from here and a fund from there."""
    if old.payer_before:
        remember(new)
    if old.decided_at and _differs(old.pi, new.pi) | _differs(old.project, new.project):
        new.pi, new.project = _standing(old.pi, new.pi), _standing(old.project, new.project)
        if old.funding_account or old.fund_step == Charge.FundStep.SPLIT:
            _carry_fund(old, new)
        elif new.project:
            ProjectFunds(new.project).apply(new)
    elif old.fund_step == Charge.FundStep.DECISION:
        _carry_fund(old, new)
    settle_payer_flags(new)


def _carry_fund(old: Charge, new: Charge) -> None:
    new.funding_account, new.fund_step = _standing(old.funding_account, None), old.fund_step
    kept = {flag: why for flag, why in new.flags.items() if flag not in PAYER_FLAGS}
    new.flags = kept | {flag: why for flag, why in old.flags.items() if flag in PAYER_FLAGS}


def _standing(old: Any, new: Any) -> Any:
    """As it was decided, by the name that it goes by now."""
    return old.standing if old else new


def _differs(old: Any, new: Any) -> bool:
    return old is not None and old.standing != new


def by_key(keys: Iterable[int]) -> dict[int, Charge]:
    charges = Charge.objects.prefetch_related("period", "source", *PAYER)
    return {charge.pk: charge for charge in charges.filter(pk__in=list(keys))}


def _carry(old: Charge, new: Charge, source: Source) -> None:
    carry_payer(old, new)
    new.decided_by_id, new.decided_at, new.decision_reason = old.decided_by_id, old.decided_at, old.decision_reason
    if old.review_status in (Status.EXCLUDED, Status.DEFERRED):
        new.review_status = old.review_status
    elif old.review_status in (Status.APPROVED, Status.SHARED):
        _carry_approval(old, new, source)


def _carry_approval(old: Charge, new: Charge, source: Source) -> None:
    """It holds while due hardly moves and nothing is lacking; amounts are compared in the month's currency."""
    is_shared = is_shareable(new)
    is_complete = (is_shared or not new.missing) and (not new.is_unconverted or convert(new))
    if is_complete and abs(new.due_amount - old.due_amount) <= source.approval_threshold:
        new.review_status = Status.SHARED if is_shared else Status.APPROVED
        return
    new.flags |= ChangedAfterApproval.because(f"Due was {short(old.due_amount)} when it was approved.")
    new.review_status = Status.HELD
    if new.exchange_rate_id:
        revert(new)
