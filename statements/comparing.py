"""Compares the sealed lines of a month with those of the database, and says in words what differs."""

import hashlib
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.apps import apps

from charges.money import AMOUNT
from statements import canonical
from statements.models import Seal

MANY = 100


class Side:
    """One of the two runs of lines, with the hash of what was read so far."""

    def __init__(self, source: Iterator[bytes], algorithm: int) -> None:
        self.source, self.algorithm = source, algorithm
        self.hash = hashlib.sha256()
        self.line: bytes | None = None
        self.advance()

    def advance(self) -> None:
        self.line = next(self.source, None)
        self.hash.update(self.line or b"")

    def row(self) -> tuple[tuple[float, float], dict[str, Any]]:
        """Where the line stands and what it says; past the end it stands behind everything."""
        if self.line is None:
            return (float("inf"), 0), {}
        row = canonical.read_line(self.line)
        return canonical.position(row, self.algorithm), row


def compare(seal: Seal, path: Path) -> Iterator[str]:
    """A sentence for every difference between the sealed file, the seal and the database; none when all is well."""
    present = Side((line for _, line in canonical.lines(seal.period, seal.algorithm)), seal.algorithm)
    try:
        with path.open("rb") as file:
            sealed = Side(iter(file), seal.algorithm)
            yield from _differences(sealed, present, f"{seal.period}")
    except OSError as error:
        yield f"The sealed file of {seal.period} cannot be read: {error.strerror}."
        yield from _only_hashes(present, seal)
    except (ValueError, KeyError, TypeError):
        yield f"The sealed file of {seal.period} was changed: it holds a line that cannot be read."
        yield from _only_hashes(present, seal)
    else:
        if sealed.hash.hexdigest() != seal.lines_sha256:
            yield f"The sealed file of {seal.period} was changed: its hash is not the seal's."
            yield from _only_hashes(present, seal)


def _only_hashes(present: Side, seal: Seal) -> Iterator[str]:
    """Without a sealed file to trust: whether the database at least is as it was."""
    while present.line is not None:
        present.advance()
    if present.hash.hexdigest() != seal.lines_sha256:
        yield f"{seal.period} is not in the database as it was sealed."


def _differences(sealed: Side, present: Side, month: str) -> Iterator[str]:
    """Merge the two runs, which are in the same order, a line at a time."""
    while sealed.line is not None or present.line is not None:
        if sealed.line != present.line:
            (old_place, old), (new_place, new) = sealed.row(), present.row()
            if old_place == new_place:
                yield f"{_name(old)} of {month} was changed: {_changes(old, new)}."
            elif old_place < new_place:
                yield f"{_name(old)} of {month} is missing."
                sealed.advance()
                continue
            else:
                yield f"{_name(new)} of {month} was added."
                present.advance()
                continue
        sealed.advance()
        present.advance()


def _name(row: dict[str, Any]) -> str:
    return f"{apps.get_model(row['table'])._meta.verbose_name} {row['id']}"


def _changes(old: dict[str, Any], new: dict[str, Any]) -> str:
    fields = sorted(field for field in {*old, *new} if old.get(field) != new.get(field))
    return ", ".join(f"{field} {_shown(old.get(field))} → {_shown(new.get(field))}" for field in fields)


def _shown(value: Any) -> str:
    """As a person writes it: 10.00 for an amount of nine places."""
    if isinstance(value, str) and "." in value and AMOUNT.fullmatch(value):
        plain = format(Decimal(value).normalize(), "f")
        whole, _, decimals = plain.partition(".")
        return f"{whole}.{decimals:0<2}"
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MANY else text[:MANY] + "…"
