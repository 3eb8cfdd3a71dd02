"""From rows to charges: what they cost, who pays, and whether somebody must look at them first."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import repeat
from typing import Any

from charges import pricing
from charges.attribution.deciding import Attributor, Payer
from charges.flags import MISSING, Divided, Facts, Late, Reviewer
from charges.importing.directory import Directory, Found
from charges.importing.memo import Memo
from charges.importing.refunding import Refunds
from charges.importing.rows import Division, Rows
from charges.models import Charge, Source
from charges.pricing import Price
from charges.sharing import is_shared_category

Status, Shared = Charge.ReviewStatus, Source.SharedCosts
HELD, CLEAR, NOT_BILLABLE, SHARED, DIVIDED = (
    status.value for status in (Status.HELD, Status.CLEAR, Status.NOT_BILLABLE, Status.SHARED, Status.DIVIDED)
)
COSTS = {
    "BilledCost": "billed_cost",
    "EffectiveCost": "effective_cost",
    "ListCost": "list_cost",
    "ContractedCost": "contracted_cost",
}
# What tells a row where its file writes everything anew: with another column, or names in another form.
ABOUT = (
    "sub_account_id", "charge_category", "charge_class", "charge_description",
    "commitment_discount_id", "resource_id", "resource_name", "service_name", "sku_id",
)  # fmt: skip
PAYER = ("account_code", "funder", "subsidy_fund", "reference_1", "reference_2")


@dataclass(slots=True)
class Assessment:
    """By columns, as Rows are."""

    payers: list[Payer]
    found: list[Found]
    prices: list[Price]
    flags: list[dict[str, str]]
    statuses: list[str]

    def columns(self, rows: Rows) -> dict[str, Sequence[Any]]:
        """Database values of the charges, but for their place in the delivery."""
        return {
            **rows.texts,
            **{field: rows.amounts[name] for name, field in COSTS.items() if name in rows.amounts},
            **_payer_columns(self.payers, self.found),
            "identity_digest": rows.identities,
            "content_digest": rows.contents,
            "line_number": rows.lines,
            "billing_currency": rows.currencies,
            "charge_period_start": rows.starts,
            "charge_period_end": rows.ends,
            "list_amount": [price.list for price in self.prices],
            "contracted_amount": [price.contracted for price in self.prices],
            "due_amount": [price.due for price in self.prices],
            "flags": [json.dumps(flags) if flags else "{}" for flags in self.flags],
            "review_status": self.statuses,
        }  # fmt: skip

    def ends(self, rows: Rows) -> Iterator[tuple[int, date]]:
        """Lines of rows that are to be divided, with the last day of their fund."""
        for line, found, status in zip(rows.lines, self.found, self.statuses, strict=True):
            if status == DIVIDED and found.ends_on:
                yield line, found.ends_on

    @property
    def held(self) -> int:
        """Rows that a person has to look at, whole or in part."""
        columns = zip(self.statuses, self.flags, self.found, self.prices, strict=True)
        return self.statuses.count(HELD) + sum(
            bool(flags) or (found.is_left_open and price.due != 0)
            for status, flags, found, price in columns
            if status == DIVIDED
        )

    def abouts(self, rows: Rows) -> list[int]:
        """A second identity, by what charges store: see `comparing.told_by_columns`."""
        texts = [rows.text(field) for field in ABOUT]
        told = [payer.told for payer in self.payers]
        return list(map(hash, zip(*texts, rows.currencies, rows.starts, rows.ends, told, strict=True)))


class Assessor:
    """Judges the rows of one source by its settings, the tags, and the rules in force."""

    def __init__(self, source: Source, *, may_create: bool) -> None:
        self.source = source
        self.attributor, self.reviewer = Attributor(source), Reviewer(source)
        self.directory = Directory(self.reviewer.allow_list, may_create=may_create)
        self.flags = Memo(self.reviewer.flags)
        self.central = Memo(self._paid_centrally)
        self.refunds = Refunds(source)

    def assess(self, rows: Rows, *, month: str, currency: str, late_month: str = "") -> Assessment:
        """`month` and `currency` are those of the period that the rows go to; a late month is a closed one."""
        payers = self._payers(rows)
        is_shared = self._shared(rows, payers)
        if self.source.shared_costs == Shared.CENTRAL:
            payers = [self.central[payer] if share else payer for payer, share in zip(payers, is_shared, strict=True)]
        self.directory.meet(payers)
        find, services = self.directory.found, rows.text("service_name")
        found = [find[place] for place in zip(payers, services, repeat(month), rows.days, rows.last_days)]
        for at, (payer, place) in self.refunds.follow(rows, payers, found, month).items():
            payers[at], found[at] = payer, place
        prices = self._prices(rows, payers)
        odd, prepaid = self._odd_purchases(rows), self._prepaid(rows)
        facts = self._facts(rows, payers, found, prices, odd, month=month, currency=currency)
        flags = [
            {} if is_prepaid and not is_odd else self.flags[row]
            for row, is_prepaid, is_odd in zip(facts, prepaid, odd)  # noqa: B905 - facts are checked by their columns
        ]
        statuses = [
            HELD if reasons else NOT_BILLABLE if is_prepaid else CLEAR
            for reasons, is_prepaid in zip(flags, prepaid, strict=True)
        ]
        if self.source.shared_costs == Shared.PRO_RATA:
            flags, statuses = _divided(flags, statuses, is_shared)
        if rows.division is Division.UNCLEAR:
            flags, statuses = _held(flags, statuses, Divided.because(Divided.reason))
        if late_month:
            flags, statuses = _held(flags, statuses, Late.of(late_month))
        statuses = [
            DIVIDED if place.ends_on and status != NOT_BILLABLE else status
            for place, status in zip(found, statuses, strict=True)
        ]
        return Assessment(payers, found, prices, flags, statuses)

    def _payers(self, rows: Rows) -> list[Payer]:
        usages = (
            rows.tags,
            rows.text("sub_account_id"),
            rows.text("resource_id"),
            rows.text("resource_name"),
            rows.text("service_name"),
            rows.days,
            rows.allocated_tags,
        )
        return self.attributor.payers(usages)

    def _shared(self, rows: Rows, payers: list[Payer]) -> Sequence[bool]:
        """Tax, support and the like that nothing says a payer of."""
        if self.source.shared_costs == Shared.HOLD:
            return [False] * len(rows)
        categories, commitments = rows.text("charge_category"), rows.text("commitment_discount_status")
        return [
            is_shared_category(category, commitment) and payer.is_nobody
            for category, commitment, payer in zip(categories, commitments, payers, strict=True)
        ]

    def _paid_centrally(self, payer: Payer) -> Payer:
        pi, project, fund = self.source.central
        assert pi
        assert project
        assert fund
        step = Charge.FundStep.CENTRAL
        return replace(payer, pi_email=pi.email, project_code=project.code, fund=fund.code, fund_step=step)

    def _prices(self, rows: Rows, payers: list[Payer]) -> list[Price]:
        own, price = self.source.is_own_service, pricing.price
        categories, commitments = rows.text("charge_category"), rows.text("commitment_discount_id")
        return [
            price(costs, due, category=category, commitment_id=commitment, is_own_service=own, funder=payer.funder)
            for costs, due, category, commitment, payer in zip(
                rows.costs, rows.due, categories, commitments, payers, strict=True
            )
        ]

    def _facts(
        self,
        rows: Rows,
        payers: list[Payer],
        found: list[Found],
        prices: list[Price],
        odd: Sequence[bool],
        *,
        month: str,
        currency: str,
    ) -> Iterable[Facts]:
        has_list_column = "ListCost" in rows.amounts
        return map(
            Facts,
            payers,
            found,
            map(bool, rows.due),
            repeat(month),
            rows.months,
            rows.currencies,
            repeat(currency),
            rows.text("charge_category"),
            [price.has_list or not has_list_column for price in prices],
            odd,
            self._names(rows),
            self._old_days(rows, month),
        )

    def _odd_purchases(self, rows: Rows) -> Sequence[bool]:
        categories, basis = rows.text("charge_category"), rows.basis
        if "Purchase" not in categories:
            return [False] * len(rows)
        commitments = rows.text("commitment_discount_id")
        return [
            pricing.has_odd_purchase_costs(costs, basis=basis, category=category, commitment_id=commitment)
            for costs, category, commitment in zip(rows.costs, categories, commitments, strict=True)
        ]

    def _prepaid(self, rows: Rows) -> Sequence[bool]:
        """Paid for elsewhere: by a purchase, or by the rows that a charge was divided into."""
        if rows.division is Division.ORIGIN:
            return [True] * len(rows)
        if all(rows.due):
            return [False] * len(rows)
        basis = rows.basis
        categories, statuses = rows.text("charge_category"), rows.text("commitment_discount_status")
        return [
            pricing.is_prepaid(costs, due, basis=basis, category=category, commitment_status=status)
            for costs, due, category, status in zip(rows.costs, rows.due, categories, statuses, strict=True)
        ]

    def _names(self, rows: Rows) -> Sequence[tuple[str, str, str]]:
        """What patterns look at; the same for all rows where there is no pattern, so that flags are remembered."""
        if not self.reviewer.pattern.patterns:
            return [("", "", "")] * len(rows)
        return list(zip(rows.text("service_name"), rows.text("resource_name"), rows.text("resource_id"), strict=True))

    def _old_days(self, rows: Rows, month: str) -> Iterable[date | None]:
        """Days are few: only where one of them is old is each row looked at."""
        oldest = self.reviewer.settings.oldest_day(month)
        old = {day for day in set(rows.days) if day and day < oldest} if oldest else set()
        return [day if day in old else None for day in rows.days] if old else repeat(None)


def _held(
    flags: list[dict[str, str]], statuses: list[str], reason: dict[str, str]
) -> tuple[list[dict[str, str]], list[str]]:
    """Somebody looks at every row that would be billed."""
    bills = [status != NOT_BILLABLE for status in statuses]
    flags = [{**reasons, **reason} if bill else reasons for reasons, bill in zip(flags, bills, strict=True)]
    return flags, [HELD if bill else status for status, bill in zip(statuses, bills, strict=True)]


def _divided(
    flags: list[dict[str, str]], statuses: list[str], is_shared: Sequence[bool]
) -> tuple[list[dict[str, str]], list[str]]:
    """A shared cost lacks no payer: what is due beside it divides it."""
    flags = [
        {flag: why for flag, why in reasons.items() if flag not in MISSING} if share else reasons
        for reasons, share in zip(flags, is_shared, strict=True)
    ]
    return flags, [
        status if not share or status == NOT_BILLABLE else HELD if reasons else SHARED
        for status, reasons, share in zip(statuses, flags, is_shared, strict=True)
    ]


def _payer_columns(payers: list[Payer], found: list[Found]) -> dict[str, Sequence[Any]]:
    return {
        "pi_id": [place.pi for place in found],
        "project_id": [place.project for place in found],
        "funding_account_id": [place.fund for place in found],
        "fund_step": [place.fund_step if place.fund or place.is_split else "" for place in found],
        "rule_id": [payer.rule for payer in payers],
        "payer_digest": [payer.told for payer in payers],
        **{name: [getattr(payer, name) for payer in payers] for name in PAYER},
    }
