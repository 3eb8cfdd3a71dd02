"""What a charge of a finalized month should have been: its rebill, by what was valid on the charge date."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from charges import pricing
from charges.attribution.funding import ProjectFunds, require_standing
from charges.correcting.credited import Credits, counters
from charges.correcting.grounds import charge_day, month_of
from charges.correcting.reversing import copy_of, reversal_of
from charges.dividing import last_day_within
from charges.models import Adjustment, Charge, FundingAccount, PrincipalInvestigator, Project
from charges.money import from_billionths, to_billionths
from periods.errors import Refused

Status, Kind, Step = Charge.ReviewStatus, Charge.Kind, Charge.FundStep
BILLED = (Status.CLEAR, Status.APPROVED)
NEAR_END = 90  # days


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """What is right; what is None stays as it was billed."""

    pi: PrincipalInvestigator | None = None
    project: Project | None = None
    funding_account: FundingAccount | None = None
    list_amount: Decimal | None = None
    due_amount: Decimal | None = None
    is_billed: bool = True
    is_fund_certified: bool = False
    is_granted_again: bool | None = None  # what was credited on the charge, to the rebill
    has_line_share: bool | None = None  # of what was credited on its line


@dataclass(slots=True)
class Pair:
    """What one charge is corrected by; neither is saved yet."""

    reversal: Charge
    rebill: Charge
    parts: list[tuple[FundingAccount, Decimal]] = field(default_factory=list)  # of a rebill that is split
    is_fund_certified: bool = False
    warnings: list[str] = field(default_factory=list)
    adjustments: list[Adjustment] = field(default_factory=list)  # what was credited: taken back, granted again

    @property
    def original(self) -> Charge:
        assert self.reversal.origin is not None
        return self.reversal.origin


class Righter:
    """Pairs for charges that are corrected alike; what they have in common is looked up once."""

    def __init__(self, right: Right, originals: list[Charge]) -> None:
        require_standing(right.pi, right.project, right.funding_account)
        self.right = right
        self.funds: dict[int, ProjectFunds] = {}
        self.credits = Credits(originals)

    def pair(self, charge: Charge) -> Pair:
        reversal, rebill = reversal_of(charge), copy_of(charge, _kind_of_rebill(charge))
        pair = Pair(reversal, rebill)
        for copy in (reversal, rebill):
            copy.late_month, copy.flags = month_of(charge), {}
        if charge.review_status in BILLED:  # what was billed to nobody is given back to nobody
            reversal.review_status = Status.APPROVED
        rebill.review_status = Status.APPROVED if self.right.is_billed else Status.EXCLUDED
        if self.right.is_billed:
            self._say_who_pays(pair)
            self._price(rebill)
            self._look_at_funds(pair)
        if _is_same(charge, rebill):
            raise Refused(f"Nothing would change for {charge}: say what is right.")
        if charge.review_status in BILLED:
            given = self.credits.of(charge, has_line_share=self.right.has_line_share)
            pair.adjustments = counters(given, reversal, rebill, is_granted_again=self.right.is_granted_again)
        return pair

    def _say_who_pays(self, pair: Pair) -> None:
        right, rebill = self.right, pair.rebill
        has_moved = right.project is not None and right.project.pk != rebill.project_id
        rebill.pi, rebill.project = right.pi or rebill.pi, right.project or rebill.project
        if right.funding_account:
            rebill.funding_account, rebill.fund_step = right.funding_account, Step.DECISION
        elif has_moved:
            self._funds(rebill).apply(rebill)
        if "fund_format" in rebill.flags:
            pair.warnings.append(rebill.flags["fund_format"])
        rebill.flags = {}

    def _funds(self, charge: Charge) -> ProjectFunds:
        project = charge.project
        assert project is not None  # both were asked for when the charge was billed
        if project.pk not in self.funds:
            self.funds[project.pk] = ProjectFunds(project)
        return self.funds[project.pk]

    def _price(self, rebill: Charge) -> None:
        """By the rules of any row, from the amounts that are right."""
        right = self.right
        if right.list_amount is None and right.due_amount is None:
            return
        due = to_billionths(rebill.due_amount if right.due_amount is None else right.due_amount)
        listed = to_billionths(rebill.list_amount if right.list_amount is None else right.list_amount)
        price = pricing.price(
            pricing.Costs(list=listed, contracted=_contract_price(rebill, listed, due)),
            due,
            category=rebill.charge_category,
            commitment_id=rebill.commitment_discount_id,
            is_own_service=rebill.source.is_own_service,
            funder=rebill.funder,
        )
        if right.list_amount is not None and price.list != listed:
            raise Refused("The list price must not be smaller than the amount due; a provider credit has none.")
        rebill.list_amount, rebill.contracted_amount = from_billionths(price.list), from_billionths(price.contracted)
        rebill.due_amount = from_billionths(price.due)

    def _look_at_funds(self, pair: Pair) -> None:
        rebill, original = pair.rebill, pair.original
        if rebill.missing:
            raise Refused(f"The rebill of {original} would have no {' and no '.join(rebill.missing)}: name it.")
        funds = self._funds(rebill)
        if rebill.fund_step == Step.SPLIT and (split := funds.split(rebill)):
            pair.parts = split.parts()
        if not rebill.due_amount:
            return
        bearers = [fund for fund, _ in pair.parts] or [rebill.funding_account]
        for fund in filter(None, bearers):
            self._require_valid(pair, funds, fund)
            if fund != original.funding_account:
                pair.warnings += _near_end(fund, rebill)

    def _require_valid(self, pair: Pair, funds: ProjectFunds, fund: FundingAccount) -> None:
        """On the charge date, by the dates of fund and project; the project's fallback fund outlives the project."""
        day = charge_day(pair.rebill)
        is_fallback = fund == funds.project.fallback_fund
        limit = fund.limit_on(day) if is_fallback else funds.expired_on(pair.rebill, fund)
        if limit is None and not is_fallback and (limit := last_day_within(pair.rebill)):
            day = limit + timedelta(days=1)
        if limit is None:
            return
        if not self.right.is_fund_certified:
            raise Refused(
                f"{fund} was not valid on {day}, a day of {pair.original} (limit: {limit}). Choose another fund, or "
                "certify that it bears the charge all the same."
            )
        pair.is_fund_certified = True
        pair.warnings.append(f"{fund} was not valid on {day}; it bears the charge because that is certified.")


def _contract_price(charge: Charge, listed: int, due: int) -> int:
    """It stays, unless it was what is due, or the list price: then it follows that."""
    if charge.contracted_amount == charge.due_amount:
        return due
    return listed if charge.contracted_amount == charge.list_amount else to_billionths(charge.contracted_amount)


def _kind_of_rebill(charge: Charge) -> str:
    """A deferred charge, or a part, stands for no row of the month that billed it; neither does its rebill."""
    return charge.kind if charge.kind in (Kind.CARRIED, Kind.PART) else Kind.REBILL


def _is_same(original: Charge, rebill: Charge) -> bool:
    is_billed = [charge.review_status in BILLED for charge in (original, rebill)]
    is_same_payer = payer_of(original) == payer_of(rebill) and amounts_of(original) == amounts_of(rebill)
    return is_billed == [False, False] or (is_billed == [True, True] and is_same_payer)


def _near_end(fund: FundingAccount, rebill: Charge) -> Iterator[str]:
    """Cost must not be moved to use up, or to spare, a fund: auditors ask where one is about to end."""
    ends = [end for end in (fund.valid_until, rebill.project and rebill.project.end_date) if end]
    left = (min(ends) - timezone.localdate()).days if ends else NEAR_END + 1
    if left < 0:
        yield f"{fund} ended on {min(ends)}: auditors question cost that is moved to a fund after its end."
    elif left <= NEAR_END:
        yield f"{fund} ends on {min(ends)}: auditors question cost that is moved to a fund so close to its end."


def payer_of(charge: Charge) -> str:
    fund = "split" if charge.fund_step == Step.SPLIT else charge.funding_account or "no fund"
    named = f"{charge.pi and charge.pi.email} / {charge.project and charge.project.code} / {fund}"
    return "nobody" if charge.review_status == Status.EXCLUDED else named


def amounts_of(charge: Charge) -> dict[str, str]:
    return {"list": str(charge.list_amount), "due": str(charge.due_amount)}
