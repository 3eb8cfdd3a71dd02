"""Append sources: every row has a name of its own, and what is loaded once is never delivered anew."""

from array import array
from collections.abc import Collection, Iterable

from charges.importing.checking.rows import BadRow, Rows
from charges.importing.holding.snapshot import Taken
from charges.models import Charge, Source
from charges.money import to_billionths

STARTS_AS_APPEND = ("oci_ReferenceNumber",)
FIELDS = {"BilledCost": "billed_cost", "EffectiveCost": "effective_cost", "ListCost": "list_cost"}
FIELDS |= {"ContractedCost": "contracted_cost"}


class Ledger:
    """The rows of an append source that are loaded, by reference; looked up by the block."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.seen: set[int] = set()
        self.known: dict[str, tuple[str, tuple[int | None, ...]]] = {}  # of the block: review status, amounts

    def __len__(self) -> int:
        return 0  # nothing is superseded, so nothing needs to be paired

    def conflicts(self, rows: Rows) -> dict[int, BadRow]:
        """Rows, by their place, whose reference came before in this delivery, or is loaded with other amounts."""
        self._look_up(rows.text("reference"))
        found = {}
        for at, reference in enumerate(rows.text("reference")):
            digest = hash(reference)
            if digest in self.seen:
                found[at] = self._bad(reference, f"{reference} appears twice in this delivery.")
            elif reference in self.known and not _agree(self.known[reference][1], rows, at):
                found[at] = self._bad(reference, f"{reference} is loaded already, with other amounts.")
            self.seen.add(digest)
        return found

    def known_of(self, rows: Rows) -> list[str]:
        """The references among the rows that are loaded."""
        self._look_up(rows.text("reference"))
        return list(self.known)

    def take(self, rows: Rows) -> Taken:
        """Which of the rows are loaded already, after `conflicts` has looked at them."""
        statuses = {at: self.known[name][0] for at, name in enumerate(rows.text("reference")) if name in self.known}
        held = sum(status == Charge.ReviewStatus.HELD for status in statuses.values())
        return Taken(statuses.keys(), held)

    def replaced(self, accounts: Collection[str]) -> list[str]:
        return []

    def beside(self, accounts: Collection[str]) -> list[str]:
        return []

    def left(self, accounts: Iterable[str]) -> "array[int]":
        """A delivery says nothing of the rows that it does not contain."""
        return array("q")

    def _look_up(self, references: Iterable[str]) -> None:
        charges = Charge.objects.current().filter(source=self.source.pk, reference__in=set(references))
        charges = charges.exclude(kind=Charge.Kind.REVERSAL)  # its amounts are no file's
        self.known = {
            reference: (status, tuple(None if amount is None else to_billionths(amount) for amount in amounts))
            for reference, status, *amounts in charges.values_list("reference", "review_status", *FIELDS.values())
        }

    def _bad(self, reference: str, sentence: str) -> BadRow:
        return BadRow(self.source.reference_column, reference, f"{self.source.reference_column} {sentence}", ())


def _agree(known: tuple[int | None, ...], rows: Rows, at: int) -> bool:
    """A column that the file does not have says nothing."""
    return all(
        rows.amounts[name][at] == amount for name, amount in zip(FIELDS, known, strict=True) if name in rows.amounts
    )


def start(source: Source, names: Iterable[str]) -> bool:
    """Whether a source that delivers for the first time is told by its header to be an append source."""
    column = next((name for name in names if name.casefold() in map(str.casefold, STARTS_AS_APPEND)), None)
    is_new = source.delivery == Source.Delivery.SNAPSHOT and not (source.pk and source.imports.loaded().exists())
    if column is None or not is_new:
        return False
    source.delivery, source.reference_column = Source.Delivery.APPEND, column
    return True
