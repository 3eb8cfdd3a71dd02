"""What was credited on a charge that is corrected: it is taken back with the charge, so that nobody is credited twice.

Adjustments of the charge itself are known. Of what an upheld dispute took off a whole line nobody can tell the charge's
part: a person says whether the charge has its share of it, by amount. Granting it again, to the rebill, is a person's
choice too.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from charges.disputing.off_lines import off_lines, shares
from charges.models import Adjustment, Charge
from charges.money import minor_unit, printed, round_to_currency, total
from periods.errors import Refused


class Given(NamedTuple):
    """An adjustment, and what of it falls to the charge."""

    adjustment: Adjustment
    list: Decimal
    due: Decimal


def credited_on(charges: Iterable[int]) -> defaultdict[int, list[Given]]:
    """The adjustments of charges themselves, by key."""
    found = defaultdict[int, list[Given]](list)
    for adjustment in Adjustment.objects.in_force().filter(charge__in=list(charges)).order_by("pk"):
        found[adjustment.charge_id].append(Given(adjustment, adjustment.list_amount, adjustment.due_amount))
    return found


class Credits:
    """Of charges that are corrected alike, looked up once."""

    def __init__(self, originals: Iterable[Charge]) -> None:
        charges = {charge.pk: charge for charge in originals}
        self.own, self.of_line = credited_on(charges), defaultdict[int, list[Given]](list)
        for period in {charge.period for charge in charges.values()}:
            for adjustment in off_lines(period):
                coin = minor_unit(period.currency)
                listed, due = (shares(adjustment, name, coin) for name in ("list_amount", "due_amount"))
                for pk in charges.keys() & due.keys():
                    self.of_line[pk].append(Given(adjustment, listed[pk], due[pk]))

    def of(self, charge: Charge, *, has_line_share: bool | None) -> list[Given]:
        """Raises Refused where a person has to say whether the charge has its share of what was taken off its line."""
        found = self.of_line[charge.pk]
        if found and has_line_share is None:
            raise Refused(
                f"An upheld dispute took {told(found, charge)} off the line of {charge}, by its share: say whether it was "
                "about this charge."
            )
        return [*self.own[charge.pk], *(found if has_line_share else [])]


def counters(
    given: list[Given], reversal: Charge, rebill: Charge, *, is_granted_again: bool | None
) -> list[Adjustment]:
    """Unsaved: on the reversal each with its sign changed, and on the rebill again where that is billed and wanted."""
    if not given:
        return []
    found = [taken_back(one, reversal) for one in given]
    if rebill.review_status == Charge.ReviewStatus.EXCLUDED:
        return found
    original = reversal.origin
    assert original is not None
    if is_granted_again is None:
        raise Refused(
            f"{told(given, original)} was credited on {original}: say whether the rebill is credited it as well."
        )
    return found + (
        [_granted_again(one, original, rebill) for one in _fitting(given, rebill)] if is_granted_again else []
    )


def _fitting(given: list[Given], rebill: Charge) -> list[Given]:
    for amount, change in (
        (rebill.list_amount, total([one.list for one in given])),
        (rebill.due_amount, total([one.due for one in given])),
    ):
        left = amount + change
        if change and (left * amount < 0 or not amount):
            raise Refused(
                "More was credited than the rebill bills: do not grant it again, and adjust the rebill instead."
            )
    return given


def taken_back(given: Given, reversal: Charge) -> Adjustment:
    one = given.adjustment
    return _adjustment(
        one, reversal, f"Taken back: {one.description}",
        funding_account_id=one.funding_account_id, list_amount=-given.list, due_amount=-given.due, reverses=one,
    )  # fmt: skip


def _granted_again(given: Given, original: Charge, rebill: Charge) -> Adjustment:
    """By the funds of the rebill; where these stay, by those that it was granted to."""
    is_same = (original.project_id, original.funding_account_id) == (rebill.project_id, rebill.funding_account_id)
    fund = given.adjustment.funding_account_id if is_same else rebill.funding_account_id
    return _adjustment(
        given.adjustment, rebill, given.adjustment.description,
        funding_account_id=fund, list_amount=given.list, due_amount=given.due,
    )  # fmt: skip


def _adjustment(one: Adjustment, charge: Charge, description: str, **amounts: object) -> Adjustment:
    return Adjustment(
        kind=one.kind, source=charge.source, pi=charge.pi, project=charge.project, borne_by_id=one.borne_by_id,
        account_code=one.account_code, charge=charge, description=description[:200], **amounts,
    )  # fmt: skip


def told(given: list[Given], charge: Charge) -> str:
    due, currency = total([one.due for one in given]), charge.period.currency
    return printed(abs(round_to_currency(due or total([one.list for one in given]), currency)), currency)
