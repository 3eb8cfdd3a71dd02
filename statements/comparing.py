"""Compares the sealed lines of a month with those of the database, and says in words what differs."""

import hashlib
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.apps import apps

from charges.money import AMOUNT
from periods import storage
from statements import canonical
from statements.models import Seal

MANY = 100


UNREADABLE = (ValueError, LookupError, TypeError, ArithmeticError, RecursionError)  # what forged values end in


def compare(seal: Seal, path: Path) -> Iterator[str]:
    """A sentence for every difference between the sealed file, the seal and the database; none when all is well."""
    try:
        if storage.digest(path) == seal.lines_sha256:
            with path.open("rb") as file:
                yield from _differences(file, _present(seal), seal)
            return
        yield f"The sealed file of {seal.period} was changed: its hash is not the seal's."
    except OSError as error:
        yield f"The sealed file of {seal.period} cannot be read: {error.strerror}."
    except UNREADABLE as error:
        yield f"{seal.period}, or its sealed file, holds a line that cannot be read: {error}."
    yield from _only_hashes(seal)


def _present(seal: Seal) -> Iterator[bytes]:
    return (line for _, line in canonical.lines(seal.period, seal.algorithm))


def _only_hashes(seal: Seal) -> Iterator[str]:
    """Without a sealed file to trust: whether the database at least is as it was."""
    present = hashlib.sha256()
    try:
        for line in _present(seal):
            present.update(line)
    except UNREADABLE:
        present = hashlib.sha256()
    if present.hexdigest() != seal.lines_sha256:
        yield f"{seal.period} is not in the database as it was sealed."


def _differences(sealed: Iterator[bytes], present: Iterator[bytes], seal: Seal) -> Iterator[str]:
    """Merge the two runs, which are in the same order, a line at a time."""
    before, now = next(sealed, None), next(present, None)
    while before is not None or now is not None:
        if before != now:
            (old_place, old), (new_place, new) = _read(before, seal), _read(now, seal)
            if old_place == new_place:
                yield f"{_name(old)} of {seal.period} was changed: {_changes(old, new)}."
            elif old_place < new_place:
                yield f"{_name(old)} of {seal.period} is missing."
                before = next(sealed, None)
                continue
            else:
                yield f"{_name(new)} of {seal.period} was added."
                now = next(present, None)
                continue
        before, now = next(sealed, None), next(present, None)


def _read(line: bytes | None, seal: Seal) -> tuple[tuple[float, float], dict[str, Any]]:
    """Where the line stands and what it says; past the end it stands behind everything."""
    if line is None:
        return (float("inf"), 0), {}
    row = canonical.read_line(line)
    return canonical.position(row, seal.algorithm), row


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
