"""A delivery's figures as tables: the same before it is loaded, and on the import's page ever after."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from charges.admin.display import table
from charges.importing import Delivery
from charges.models import Source
from charges.money import ZERO, round_to_currency

SELDOM = ("late", "corrected")  # parts of the totals that most files have nothing of
MOST_PROJECTS = 50  # of a preview

Totals = dict[str, dict[str, dict[str, str]]]


class Tables:
    """Of a preview."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    @property
    def is_of_new_source(self) -> bool:
        return not Source.objects.filter(name__iexact=self.delivery.source).exists()

    @property
    def is_kept(self) -> bool:
        """Whether no month takes anything of it; a delivery of bad rows only is loaded, and supersedes."""
        return bool(self.delivery.late) and not self.delivery.periods

    @property
    def totals(self) -> str:
        return control_totals(self.delivery.totals)

    @property
    def late(self) -> str:
        return late_differences(self.delivery.late_months, is_done=False)

    @property
    def changes(self) -> str:
        return change_set(self.delivery.change_set[:MOST_PROJECTS])


def control_totals(totals: Totals) -> str:
    """Every digit, with the thousands set apart."""
    parts = ["file", "loaded", "quarantined", *seldom_parts(totals), "rounding"]
    rows = (
        (currency, column, *(exact(total.get(part, "0")) for part in parts))
        for currency, columns in totals.items()
        for column, total in columns.items()
    )
    return table(["Currency", "Column", *map(str.capitalize, parts)], rows, amounts_from=2)


def seldom_parts(totals: Totals) -> list[str]:
    columns = [total for columns in totals.values() for total in columns.values()]
    return [part for part in SELDOM if any(Decimal(total.get(part, 0)) for total in columns)]


def late_differences(late_months: Iterable[dict[str, Any]], *, is_done: bool) -> str:
    rows = (
        (
            late["month"],
            f"loaded into {late['to']}" if late["to"] else "not loaded" if is_done else "kept, not loaded",
            late["currency"],
            f"{late['rows']:,}",
            change(late["list"], late["currency"]),
            change(late["due"], late["currency"]),
        )
        for late in late_months
    )
    became = "What became of it" if is_done else "What becomes of it"
    return table(
        ["Month", became, "Currency", "Rows that differ", "Δ list price", "Δ amount due"], rows, amounts_from=3
    )


def change_set(changes: Iterable[dict[str, Any]]) -> str:
    rows = (
        (
            row["currency"],
            row["project"] or "no project",
            f"{row['rows']:,}",
            f"{row.get('gone', 0):,}",
            change(row["list"], row["currency"]),
            change(row["due"], row["currency"]),
        )
        for row in changes
    )
    headings = ["Currency", "Project", "New or changed", "Changed or gone", "Δ list price", "Δ amount due"]
    return table(headings, rows, amounts_from=2)


def due_change(delivery: Delivery) -> str:
    """Of everything that would be loaded, by currency."""
    sums: dict[str, Decimal] = {}
    for row in [] if delivery.is_repeated else delivery.change_set:
        sums[row["currency"]] = sums.get(row["currency"], ZERO) + Decimal(row["due"])
    return ", ".join(f"{change(str(due), currency)} {currency}" for currency, due in sums.items()) or "0"


def exact(amount: str) -> str:
    number = Decimal(amount)
    return f"{number:,f}" if number else "0"


def change(amount: str, currency: str) -> str:
    """With its sign, in coins; what is less than a coin is never shown as zero."""
    number = Decimal(amount)
    coins = round_to_currency(number, currency)
    return f"{coins or number:+,f}" if number else "0"
