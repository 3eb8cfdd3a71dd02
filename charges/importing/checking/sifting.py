"""Finds the bad rows among many: those that are told with the first fault are looked at one by one, then all others."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from typing import Any

from charges.importing.checking.errors import BadRow
from charges.importing.reading.chunk import Chunk


def bad_rows(chunk: Chunk, places: Sequence[int], read: Callable[[Chunk], Any]) -> Iterator[tuple[int, BadRow]]:
    """Each by its place, those of the chunk's rows being `places`; `read` raises BadRow where any is bad."""
    try:
        read(chunk)
    except BadRow as bad:
        if len(chunk) == 1:
            bad.__cause__ = bad.__context__ = None  # they would keep all parts of the chunk
            yield places[0], bad.with_traceback(None)
            return
        for at in bad.rows:
            yield from bad_rows(chunk.part(slice(at, at + 1)), places[at : at + 1], read)
        others = all_but(bad.rows, len(chunk))
        if any(others):
            yield from bad_rows(chunk.where(others), [*compress(places, others)], read)


def all_but(rows: Iterable[int], count: int) -> list[bool]:
    wanted = [True] * count
    for at in rows:
        wanted[at] = False
    return wanted
