"""What was credited on a charge that a late file reverses: taken back while the reversal is billed, and only then."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone

from charges.correcting.credited import Credits, Given, credited_on, taken_back, told
from charges.correcting.reversing import BILLED, carried_to, originals_of
from charges.models import Adjustment, Charge
from periods import audit

REASON = "The charge that it was granted on was reversed by a late delivery."


def in_words(charge: Charge, given: Credits) -> str:
    """For the flag of its reversal, after a space; empty where nothing was credited."""
    own, of_line = given.own[charge.pk], given.of_line[charge.pk]
    said = [f"{told(own, charge)} was credited on it: taken back once this is approved."] if own else []
    if of_line:
        share = told(of_line, charge)
        said.append(f"A dispute took {share} off its line, by its share: adjust this if that was about it.")
    return "".join(f" {sentence}" for sentence in said)


def follow(charges: Iterable[Charge], *, by: Any) -> None:
    """After a decision on them, which is saved already. The caller has locked their month."""
    charges = list(charges)
    if originals := originals_of(charges):
        reversals = [charge for charge in charges if charge.pk in originals]
        withdraw_from(charge.pk for charge in reversals if charge.review_status not in BILLED)
        _take_back([charge for charge in reversals if charge.review_status in BILLED], originals, by)


def taken_back_with(reversals: Iterable[Charge]) -> defaultdict[int, list[Given]]:
    """By key, what was taken back with a reversal, or with a copy of it where it was deferred."""
    at = carried_to(reversal.pk for reversal in reversals)
    taken = credited_on(at.values())
    found = {key: [one for one in taken[last] if one.adjustment.reverses_id] for key, last in at.items()}
    return defaultdict(list, found)


def withdraw_from(reversals: Iterable[int]) -> None:
    """Of reversals, by key, that are not billed any more: what was credited on their originals holds again."""
    standing = Adjustment.objects.filter(charge__in=list(reversals), reverses__isnull=False, withdrawn_at=None)
    standing.update(withdrawn_at=timezone.now())


def _take_back(reversals: list[Charge], originals: Mapping[int, int], by: Any) -> None:
    """A second approval puts in force again what the first one made."""
    given = credited_on(originals[charge.pk] for charge in reversals)
    known = Adjustment.objects.filter(charge__in=reversals, reverses__in=Adjustment.objects.in_force().values("pk"))
    done = set(known.values_list("charge", "reverses"))
    known.update(withdrawn_at=None)
    for charge in reversals:
        for one in given[originals[charge.pk]]:
            if (charge.pk, one.adjustment.pk) not in done:
                _save(taken_back(one, charge), charge, by)


def _save(adjustment: Adjustment, reversal: Charge, by: Any) -> None:
    adjustment.period, adjustment.reason, adjustment.created_by = reversal.period, REASON, by
    adjustment.save()
    after = {"list": str(adjustment.list_amount), "due": str(adjustment.due_amount)}
    audit.record(
        by=by, action="take_back", subject=adjustment, period=reversal.period, after=after, reason=REASON
    )  # fmt: skip
