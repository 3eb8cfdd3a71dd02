"""From rows to charges: what they cost, who pays, and whether somebody must look at them first.

Each combination of what is looked at is judged once.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from operator import attrgetter
from typing import Any

from charges import pricing
from charges.attribution.deciding import Attributor, PassedOver, Payer, Usage
from charges.flags import MISSING, Divided, Facts, Late, Reviewer
from charges.importing.checking.memo import Memo
from charges.importing.checking.rows import Division, Rows
from charges.importing.judging.directory import Directory, Found
from charges.importing.judging.prices import Prices, priced
from charges.importing.judging.refunding import Refunds
from charges.importing.reading.coded import Coded, together
from charges.models import Charge, Source
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


Flags = dict[str, str]  # each with its reason


@dataclass(slots=True)
class Assessment:
    """By columns, as Rows are."""

    payers: Coded[Payer]
    found: Coded[Found]
    prices: Prices
    flags: Coded[Flags]
    statuses: Coded[str]

    def columns(self, rows: Rows) -> dict[str, Sequence[Any]]:
        """Database values of the charges, but for their place in the delivery."""
        return {
            **rows.texts,
            **_cost_columns(rows),
            **_payer_columns(self.payers, self.found),
            "identity_digest": rows.identities,
            "content_digest": rows.contents,
            "line_number": rows.lines,
            "billing_currency": rows.currencies,
            "charge_period_start": rows.starts,
            "charge_period_end": rows.ends,
            "list_amount": self.prices.list,
            "contracted_amount": self.prices.contracted,
            "due_amount": self.prices.due,
            "flags": self.flags.map(lambda flags: json.dumps(flags) if flags else "{}"),
            "review_status": self.statuses,
        }  # fmt: skip

    def ends(self, rows: Rows) -> Iterator[tuple[int, date]]:
        """Lines of rows that are to be divided, with the last day of their fund."""
        if DIVIDED not in self.statuses:
            return
        for line, found, status in zip(rows.lines, self.found, self.statuses, strict=True):
            if status == DIVIDED and found.ends_on:
                yield line, found.ends_on

    @property
    def held(self) -> int:
        """Rows that a person has to look at, whole or in part."""
        held = self.statuses.count(HELD)
        if DIVIDED not in self.statuses:
            return held
        columns = zip(self.statuses, self.flags, self.found, self.prices.due, strict=True)
        return held + sum(
            bool(flags) or (found.is_left_open and due != 0)
            for status, flags, found, due in columns
            if status == DIVIDED
        )

    @property
    def flag_counts(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for flags, rows in zip(self.flags.values, self.flags.counts(), strict=True):
            if flags:
                counts.update(dict.fromkeys(flags, rows))
        return counts

    @property
    def passed_over(self) -> Iterator[tuple[PassedOver, int]]:
        """Tags that cannot be used, with the number of their rows."""
        for payer, rows in zip(self.payers.values, self.payers.counts(), strict=True):
            for tag in payer.passed_over if rows else ():
                yield tag, rows

    def abouts(self, rows: Rows) -> list[int]:
        """A second identity, by what charges store: see `loading.pairing`."""
        texts = [rows.text(field) for field in ABOUT]
        told = self.payers.map(attrgetter("told"))
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
            payers = together(payers, is_shared).map(lambda said: self.central[said[0]] if said[1] else said[0])
        self.directory.meet(payers.values)
        found = self._found(rows, payers, month)
        borne = self.refunds.follow(rows, payers, found, month)
        payers = payers.replaced({at: payer for at, (payer, _) in borne.items()})
        found = found.replaced({at: place for at, (_, place) in borne.items()})
        prices = priced(rows, payers.map(attrgetter("funder")), is_own_service=self.source.is_own_service)
        odd, prepaid = self._odd_purchases(rows), self._prepaid(rows)
        flags = self._flags(rows, payers, found, prices, odd, prepaid=prepaid, month=month, currency=currency)
        statuses = together(flags, prepaid).map(lambda said: HELD if said[0] else NOT_BILLABLE if said[1] else CLEAR)
        if self.source.shared_costs == Shared.PRO_RATA:
            flags, statuses = _divided(flags, statuses, is_shared)
        if rows.division is Division.UNCLEAR:
            flags, statuses = _held(flags, statuses, Divided.because(Divided.reason))
        if late_month:
            flags, statuses = _held(flags, statuses, Late.of(late_month))
        statuses = together(found, statuses).map(
            lambda said: DIVIDED if said[0].ends_on and said[1] != NOT_BILLABLE else said[1]
        )
        return Assessment(payers, found, prices, flags, statuses)

    def _payers(self, rows: Rows) -> Coded[Payer]:
        attributor = self.attributor
        if not attributor.rules:
            return together(rows.tags, rows.allocated_tags).map(lambda said: attributor.read(*said))
        usages = together(
            rows.tags,
            rows.text("sub_account_id"),
            rows.text("resource_id"),
            rows.text("resource_name"),
            rows.text("service_name"),
            rows.days.distinct(),
            rows.allocated_tags,
        )
        return usages.map(lambda said: attributor.payer(Usage(*said)))

    def _shared(self, rows: Rows, payers: Coded[Payer]) -> Coded[bool]:
        """Tax, support and the like that nothing says a payer of."""
        if self.source.shared_costs == Shared.HOLD:
            return Coded.same(False, len(rows))
        said = together(rows.text("charge_category"), rows.text("commitment_discount_status"), payers)
        return said.map(lambda row: is_shared_category(row[0], row[1]) and row[2].is_nobody)

    def _paid_centrally(self, payer: Payer) -> Payer:
        pi, project, fund = self.source.central
        assert pi
        assert project
        assert fund
        step = Charge.FundStep.CENTRAL
        return replace(payer, pi_email=pi.email, project_code=project.code, fund=fund.code, fund_step=step)

    def _found(self, rows: Rows, payers: Coded[Payer], month: str) -> Coded[Found]:
        find = self.directory.found
        if self.directory.are_the_same_all_month(payers.values, month):
            return payers.map(lambda payer: find[payer, "", month, None, None])
        said = together(payers, rows.text("service_name"), rows.days.distinct(), rows.last_days.distinct())
        return said.map(lambda row: find[row[0], row[1], month, row[2], row[3]])

    def _flags(
        self,
        rows: Rows,
        payers: Coded[Payer],
        found: Coded[Found],
        prices: Prices,
        odd: Coded[bool],
        *,
        prepaid: Coded[bool],
        month: str,
        currency: str,
    ) -> Coded[Flags]:
        """Nothing is odd about what is paid for elsewhere, but a purchase that should be and is not."""
        said = together(
            prepaid,
            payers,
            found,
            _is_due(rows),
            Coded.same(month, len(rows)),
            rows.months,
            rows.currencies,
            Coded.same(currency, len(rows)),
            rows.text("charge_category"),
            prices.has_list if "ListCost" in rows.amounts else Coded.same(True, len(rows)),
            odd,
            self._names(rows),
            self._old_days(rows, month),
        )

        def flags(row: tuple[Any, ...]) -> Flags:
            is_prepaid, facts = row[0], Facts(*row[1:])
            return {} if is_prepaid and not facts.has_odd_purchase_costs else self.flags[facts]

        return said.map(flags)

    def _odd_purchases(self, rows: Rows) -> Coded[bool]:
        basis = rows.basis
        if "Purchase" not in rows.text("charge_category"):
            return Coded.same(False, len(rows))
        said = together(rows.costs, rows.text("charge_category"), rows.text("commitment_discount_id"))
        return said.map(
            lambda row: pricing.has_odd_purchase_costs(row[0], basis=basis, category=row[1], commitment_id=row[2])
        ).distinct()

    def _prepaid(self, rows: Rows) -> Coded[bool]:
        """Paid for elsewhere: by a purchase, or by the rows that a charge was divided into."""
        if rows.division is Division.ORIGIN:
            return Coded.same(True, len(rows))
        if all(rows.due.values):
            return Coded.same(False, len(rows))
        basis, billed = rows.basis, rows.amount("BilledCost")
        said = together(
            _is_due(rows),
            billed.map(bool).distinct(),
            rows.text("charge_category"),
            rows.text("commitment_discount_status"),
        )
        return said.map(
            lambda row: pricing.is_prepaid(
                is_due=row[0], is_billed=row[1], basis=basis, category=row[2], commitment_status=row[3]
            )
        ).distinct()

    def _names(self, rows: Rows) -> Coded[tuple[str, str, str]]:
        """What patterns look at; the same for all rows where there is no pattern, so that flags are remembered."""
        if not self.reviewer.pattern.patterns:
            return Coded.same(("", "", ""), len(rows))
        return together(rows.text("service_name"), rows.text("resource_name"), rows.text("resource_id"))

    def _old_days(self, rows: Rows, month: str) -> Coded[date | None]:
        oldest = self.reviewer.settings.oldest_day(month)
        return rows.days.map(lambda day: day if day and oldest and day < oldest else None).distinct()


def _is_due(rows: Rows) -> Coded[bool]:
    return Coded.same(True, len(rows)) if all(rows.due.values) else Coded.of(map(bool, rows.due))


def _held(flags: Coded[Flags], statuses: Coded[str], reason: Flags) -> tuple[Coded[Flags], Coded[str]]:
    """Somebody looks at every row that would be billed."""
    said = together(flags, statuses)
    return (
        said.map(lambda row: row[0] if row[1] == NOT_BILLABLE else {**row[0], **reason}),
        said.map(lambda row: row[1] if row[1] == NOT_BILLABLE else HELD),
    )


def _divided(flags: Coded[Flags], statuses: Coded[str], is_shared: Coded[bool]) -> tuple[Coded[Flags], Coded[str]]:
    """A shared cost lacks no payer: what is due beside it divides it."""

    def kept(row: tuple[Flags, str, bool]) -> Flags:
        reasons, _, share = row
        return {flag: why for flag, why in reasons.items() if flag not in MISSING} if share else reasons

    said = together(flags, statuses, is_shared)
    return said.map(kept), said.map(
        lambda row: row[1] if not row[2] or row[1] == NOT_BILLABLE else HELD if kept(row) else SHARED
    )


def _cost_columns(rows: Rows) -> dict[str, Coded[int | None]]:
    """A value a row, as all amounts of charges, so that they are written together."""
    each = {id(amounts): Coded.each(amounts) for amounts in rows.amounts.values()}
    return {field: each[id(rows.amounts[name])] for name, field in COSTS.items() if name in rows.amounts}


def _payer_columns(payers: Coded[Payer], found: Coded[Found]) -> dict[str, Coded[Any]]:
    return {
        "pi_id": found.map(attrgetter("pi")),
        "project_id": found.map(attrgetter("project")),
        "funding_account_id": found.map(attrgetter("fund")),
        "fund_step": found.map(lambda place: place.fund_step if place.fund or place.is_split else ""),
        "rule_id": payers.map(attrgetter("rule")),
        "payer_digest": payers.map(attrgetter("told")),
        **{name: payers.map(attrgetter(name)) for name in PAYER},
    }
