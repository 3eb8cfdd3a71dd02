"""The header of one file: which FOCUS columns it has, of which version, and where they stand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from charges.focus.columns import ALIASES, COLUMNS, STANDARD, VERSIONS, Column, normalise
from periods.errors import Refused

PREVIEW = "1.0-preview"
SHOWN = 60  # characters of what is no header
# Of columns that FOCUS does not define, those that tell of amounts: x_Discounts, x_BilledCostInUsd, x_Credits.
AMOUNT_ENDINGS = ("cost", "price", "quantity", "amount", "discounts", "credits", "inusd")
PROVISIONAL = ("InvoiceId", "InvoiceDetailId")  # null until the invoice is issued


@dataclass(frozen=True)
class Header:
    """Where each FOCUS column stands. Order does not matter; unknown columns are kept in the file."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str]) -> "Header":
        """Raises Refused for a header that names a column twice, or lacks what no bill can do without."""
        header = cls(tuple(name.strip() or f"column {n}" for n, name in enumerate(names, start=1)))
        repeated = [name for name, n in Counter(map(normalise, header.names)).items() if n > 1 and name]
        if repeated:
            columns = ", ".join(STANDARD[name].name if name in STANDARD else name for name in repeated)
            raise Refused(f"The header names a column twice: {columns}.")
        if "BillingPeriodStart" not in header.positions:
            named = ", ".join(header.names)
            named = named if len(named) <= SHOWN else f"{named[:SHOWN]}…"
            raise Refused(f"This is no FOCUS file: it has no column BillingPeriodStart, its first line is “{named}”.")
        if not {"EffectiveCost", "BilledCost"} & header.positions.keys():
            raise Refused("The file has neither of the columns EffectiveCost and BilledCost: there is nothing to bill.")
        return header

    @cached_property
    def positions(self) -> dict[str, int]:
        """FOCUS name → index. A column under its own name wins over one under an older name."""
        found: dict[str, int] = {}
        for index, name in enumerate(self.names):
            if alias := ALIASES.get(normalise(name)):
                found.setdefault(alias.name, index)
        for index, name in enumerate(self.names):
            if standard := STANDARD.get(normalise(name)):
                found[standard.name] = index
        return found

    @cached_property
    def labels(self) -> list[str]:
        """The names, those of FOCUS columns as FOCUS has them; one without Latin letters or digits as it stands."""
        of_focus = {index: name for name, index in self.positions.items()}
        return [of_focus.get(index) or normalise(name) or name for index, name in enumerate(self.names)]

    def index(self, name: str) -> int:
        """Where a column stands that FOCUS does not define. Raises Refused."""
        for index, known in enumerate(self.names):
            if normalise(known) == normalise(name):
                return index
        raise Refused(f"The file has no column {name}, which tells the rows of this source apart.")

    @cached_property
    def identity(self) -> list[int]:
        """The columns that tell which usage a row is about: all but costs, quantities and prices, by name."""
        return [index for index in self._by_name if not _is_amount(self.names[index])]

    @cached_property
    def amounts(self) -> list[int]:
        """All other columns, by name."""
        return [index for index in self._by_name if _is_amount(self.names[index])]

    @property
    def _by_name(self) -> list[int]:
        """The same whatever the order in the file."""
        return sorted(range(len(self.names)), key=lambda index: normalise(self.names[index]))

    @cached_property
    def version(self) -> str:
        """The newest whose own columns are there; 1.4 is also told by what it took away."""
        present = [column for name in self.names if (column := STANDARD.get(normalise(name)))]
        newest = max((column.since for column in present), default="1.0")
        if newest == "1.3" and not {"ProviderName", "PublisherName"} & self.positions.keys():
            return VERSIONS[-1]
        older = any(normalise(name) in ALIASES for name in self.names)
        return PREVIEW if newest == "1.0" and older else newest

    @cached_property
    def passed_over(self) -> dict[str, str]:
        """Columns under an older name that are there under their own too: that name → the column."""
        aliases = {name: ALIASES[normalise(name)].name for name in self.names if normalise(name) in ALIASES}
        return {name: column for name, column in aliases.items() if self.names[self.positions[column]] != name}

    @cached_property
    def missing(self) -> list[str]:
        """Mandatory columns of the file's version that are absent: worth a warning, no reason to refuse."""
        return [column.name for column in self._mandatory if column.name not in self.positions]

    @cached_property
    def never_null(self) -> dict[str, int]:
        """Mandatory columns that are there, and in which every row should have a value."""
        return {
            column.name: self.positions[column.name]
            for column in self._mandatory
            if column.name in self.positions and not column.nullable
        }

    @property
    def _mandatory(self) -> list[Column]:
        version = VERSIONS[0] if self.version == PREVIEW else self.version
        return [column for column in COLUMNS if column.level == "mandatory" and column.is_in(version)]


def _is_amount(name: str) -> bool:
    known = STANDARD.get(normalise(name)) or ALIASES.get(normalise(name))
    if known:
        return known.kind in ("cost", "number", "amounts") or known.name in PROVISIONAL
    return normalise(name).endswith(AMOUNT_ENDINGS)
