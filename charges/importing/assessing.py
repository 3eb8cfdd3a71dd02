"""From rows to charges: what they cost, who pays, and whether somebody must look at them first."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from charges import pricing
from charges.attribution import Attributor, Payer, Usage
from charges.flags import Facts, Reviewer
from charges.importing.directory import Directory, Found
from charges.importing.memo import Memo
from charges.importing.rows import Rows
from charges.models import Charge, Source
from charges.pricing import Costs, Price

Status = Charge.ReviewStatus
COSTS = {
    "BilledCost": "billed_cost",
    "EffectiveCost": "effective_cost",
    "ListCost": "list_cost",
    "ContractedCost": "contracted_cost",
}
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
            **{field: [a.billionths for a in rows.amounts[name]] for name, field in COSTS.items() if name in rows.amounts},
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


class Assessor:
    """Judges the rows of one source by its settings, the tags, and the rules in force."""

    def __init__(self, source: Source, *, may_create: bool) -> None:
        self.source = source
        self.attributor, self.reviewer = Attributor(source), Reviewer(source)
        self.directory = Directory(may_create=may_create)
        self.flags = Memo(self.reviewer.flags)

    def assess(self, rows: Rows, *, month: str, currency: str) -> Assessment:
        """`month` and `currency` are those of the period that the rows go to."""
        services, commitments = rows.text("service_name"), rows.text("commitment_discount_id")
        categories, costs = rows.text("charge_category"), list(rows.costs)
        payers = self._payers(rows)
        self.directory.meet(payers)
        find = self.directory.find
        found = [
            find(payer, service, month, day) for payer, service, day in zip(payers, services, rows.days, strict=True)
        ]
        own = self.source.is_own_service
        prices = [
            pricing.price(c, due, category=category, commitment_id=commitment, is_own_service=own, funder=payer.funder)
            for c, due, category, commitment, payer in zip(
                costs, rows.due, categories, commitments, payers, strict=True
            )
        ]
        flags, statuses = self._judge(rows, costs, payers, found, prices, month=month, currency=currency)
        return Assessment(payers, found, prices, flags, statuses)

    def _payers(self, rows: Rows) -> list[Payer]:
        usages = map(
            Usage,
            rows.tags,
            rows.text("sub_account_id"),
            rows.text("resource_id"),
            rows.text("resource_name"),
            rows.text("service_name"),
            rows.days,
        )
        return list(map(self.attributor.payer, usages))

    def _judge(
        self,
        rows: Rows,
        costs: list[Costs],
        payers: list[Payer],
        found: list[Found],
        prices: list[Price],
        *,
        month: str,
        currency: str,
    ) -> tuple[list[dict[str, str]], list[str]]:
        """Flags with their reasons, and where each row stands in review."""
        categories, has_list_column = rows.text("charge_category"), "ListCost" in rows.amounts
        odd = self._odd_purchases(rows, costs)
        facts = map(
            Facts,
            [payer.pi_email for payer in payers],
            [payer.unusable_email for payer in payers],
            [payer.project_code for payer in payers],
            [place.fund_code for place in found],
            map(bool, rows.due),
            [place.is_split for place in found],
            [place.expired_on for place in found],
            repeat(month),
            rows.months,
            rows.currencies,
            repeat(currency),
            categories,
            [price.has_list or not has_list_column for price in prices],
            odd,
            self._names(rows),
        )
        prepaid = self._prepaid(rows, costs)
        flags = [
            {} if is_prepaid and not is_odd else self.flags[row]
            for row, is_prepaid, is_odd in zip(facts, prepaid, odd, strict=True)
        ]
        return flags, [
            Status.HELD.value if reasons else Status.NOT_BILLABLE.value if is_prepaid else Status.CLEAR.value
            for reasons, is_prepaid in zip(flags, prepaid, strict=True)
        ]

    def _odd_purchases(self, rows: Rows, costs: list[Costs]) -> list[bool]:
        basis = self.source.basis
        return [
            pricing.has_odd_purchase_costs(cost, basis=basis, category=category, commitment_id=commitment)
            for cost, category, commitment in zip(
                costs, rows.text("charge_category"), rows.text("commitment_discount_id"), strict=True
            )
        ]

    def _prepaid(self, rows: Rows, costs: list[Costs]) -> list[bool]:
        basis = self.source.basis
        statuses = rows.text("commitment_discount_status")
        return [
            not due and pricing.is_prepaid(cost, due, basis=basis, category=category, commitment_status=status)
            for cost, due, category, status in zip(costs, rows.due, rows.text("charge_category"), statuses, strict=True)
        ]

    def _names(self, rows: Rows) -> Sequence[tuple[str, str, str]]:
        """What patterns look at; the same for all rows where there is no pattern, so that flags are remembered."""
        if not self.reviewer.patterns:
            return [("", "", "")] * len(rows)
        return list(zip(rows.text("service_name"), rows.text("resource_name"), rows.text("resource_id"), strict=True))


def _payer_columns(payers: list[Payer], found: list[Found]) -> dict[str, Sequence[Any]]:
    return {
        "pi_id": [place.pi for place in found],
        "project_id": [place.project for place in found],
        "funding_account_id": [place.fund for place in found],
        "fund_step": [place.fund_step if place.fund or place.is_split else "" for place in found],
        "rule_id": [payer.rule for payer in payers],
        **{name: [getattr(payer, name) for payer in payers] for name in PAYER},
    }
