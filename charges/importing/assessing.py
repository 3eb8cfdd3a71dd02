"""From a row to a charge: what it costs, who pays, and whether somebody must look at it first."""

from typing import Any, NamedTuple

from charges import pricing
from charges.attribution import Attributor, Payer, Usage
from charges.flags import Facts, Reviewer
from charges.importing import writing
from charges.importing.directory import Directory, Found
from charges.importing.rows import Row
from charges.models import Charge, Source
from charges.money import to_billionths
from charges.pricing import Price

Status = Charge.ReviewStatus


class Assessment(NamedTuple):
    payer: Payer
    found: Found
    price: Price
    flags: dict[str, str]
    status: Charge.ReviewStatus

    def columns(self, row: Row) -> dict[str, Any]:
        """Database values of the charge, but for its place in the delivery."""
        return {
            **writing.BLANK,
            **row.texts,
            **_costs(row),
            **_payer(self.payer, self.found),
            "identity_digest": row.identity,
            "content_digest": row.content,
            "billing_currency": row.currency,
            "charge_period_start": writing.instant(row.starts_at),
            "charge_period_end": writing.instant(row.ends_at),
            "list_amount": to_billionths(self.price.list),
            "contracted_amount": to_billionths(self.price.contracted),
            "due_amount": to_billionths(self.price.due),
            "flags": writing.flags(self.flags),
            "review_status": self.status.value,
        }


class Assessor:
    """Judges the rows of one source by its settings, the tags, and the rules in force."""

    def __init__(self, source: Source, *, may_create: bool) -> None:
        self.source = source
        self.attributor, self.reviewer = Attributor(source), Reviewer(source)
        self.directory = Directory(may_create=may_create)

    def assess(self, row: Row, *, month: str, currency: str) -> Assessment:
        """`month` and `currency` are those of the period that the row goes to."""
        usage = _usage(row)
        payer = self.attributor.payer(usage)
        found = self.directory.find(payer, usage.service_name, month, row.day)
        price = self._price(row, payer)
        flags = self.reviewer.flags(self._facts(row, payer, found, price, month=month, currency=currency))
        if self._is_prepaid(row) and "purchase_costs" not in flags:
            return Assessment(payer, found, price, {}, Status.NOT_BILLABLE)
        return Assessment(payer, found, price, flags, Status.HELD if flags else Status.CLEAR)

    def _price(self, row: Row, payer: Payer) -> Price:
        return pricing.price(
            row.costs,
            row.due,
            category=row.category,
            commitment_id=row.texts.get("commitment_discount_id", ""),
            is_own_service=self.source.is_own_service,
            funder=payer.funder,
        )

    def _facts(self, row: Row, payer: Payer, found: Found, price: Price, *, month: str, currency: str) -> Facts:
        texts = row.texts
        return Facts(
            pi=payer.pi_email,
            unusable_email=payer.unusable_email,
            project=payer.project_code,
            fund=found.fund_code,
            has_due=bool(row.due),
            is_split=found.is_split,
            fund_expired_on=found.expired_on,
            month=month,
            stated_month=row.month,
            currency=row.currency,
            period_currency=currency,
            category=row.category,
            has_list=price.has_list or "ListCost" not in row.amounts,
            has_odd_purchase_costs=pricing.has_odd_purchase_costs(
                row.costs,
                basis=self.source.basis,
                category=row.category,
                commitment_id=texts.get("commitment_discount_id", ""),
            ),
            names=(texts.get("service_name", ""), texts.get("resource_name", ""), texts.get("resource_id", "")),
        )

    def _is_prepaid(self, row: Row) -> bool:
        return pricing.is_prepaid(
            row.costs,
            row.due,
            basis=self.source.basis,
            category=row.category,
            commitment_status=row.texts.get("commitment_discount_status", ""),
        )


def _usage(row: Row) -> Usage:
    texts = row.texts
    return Usage(
        tags=row.tags,
        sub_account_id=texts.get("sub_account_id", ""),
        resource_id=texts.get("resource_id", ""),
        resource_name=texts.get("resource_name", ""),
        service_name=texts.get("service_name", ""),
        day=row.day,
    )


def _costs(row: Row) -> dict[str, int | None]:
    costs = row.costs
    return {
        "billed_cost": None if costs.billed is None else to_billionths(costs.billed),
        "effective_cost": None if costs.effective is None else to_billionths(costs.effective),
        "list_cost": None if costs.list is None else to_billionths(costs.list),
        "contracted_cost": None if costs.contracted is None else to_billionths(costs.contracted),
    }


def _payer(payer: Payer, found: Found) -> dict[str, Any]:
    return {
        "pi_id": found.pi,
        "project_id": found.project,
        "funding_account_id": found.fund,
        "fund_step": found.fund_step if found.fund or found.is_split else "",
        "rule_id": payer.rule,
        "account_code": payer.account_code,
        "funder": payer.funder,
        "subsidy_fund": payer.subsidy_fund,
        "reference_1": payer.reference_1,
        "reference_2": payer.reference_2,
    }
