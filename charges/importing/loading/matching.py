"""Which of several rows that nothing tells apart is which charge: the nearest in due, from the closest pair on.

A charge and its refund differ in nothing but their sign.
"""

from collections.abc import Collection, Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import NamedTuple

Amount = tuple[int, int]  # due in billionths, and a key


class Old(NamedTuple):
    """A charge that the new delivery does not contain unchanged."""

    pk: int
    identity: int
    due: int  # billionths


def repeated(identities: Iterable[int]) -> set[int]:
    return {one for one, other in pairwise(sorted(identities)) if one == other}


def pair(
    old: Iterable[Old], new: Iterable[tuple[int, int, int]], several: Collection[int]
) -> Iterator[tuple[int, int]]:
    """Pairs (key of a row, key of a charge) of equal identity, each once.

    `new` gives (identity, due in billionths, key); `several` are identities that more than one of them has.
    """
    waiting: dict[int, list[Amount]] = {}
    for charge in old:
        waiting.setdefault(charge.identity, []).append((charge.due, charge.pk))
    rivals: dict[int, list[Amount]] = {}
    for identity, due, key in new:
        if charges := waiting.get(identity):
            if len(charges) == 1 and identity not in several:
                yield key, charges[0][1]
            else:
                rivals.setdefault(identity, []).append((due, key))
    for identity, rows in rivals.items():
        yield from _nearest(rows, waiting[identity])


def _nearest(rows: list[Amount], charges: list[Amount]) -> Iterator[tuple[int, int]]:
    """On the line of amounts the closest pair is always two neighbours; what it leaves between others makes new ones."""
    line = sorted([*((*row, True) for row in rows), *((*charge, False) for charge in charges)])
    before, after = list(range(-1, len(line) - 1)), list(range(1, len(line) + 1))
    close = [_gap(line, left, left + 1) for left in range(len(line) - 1) if line[left][2] != line[left + 1][2]]
    heapify(close)
    paired = bytearray(len(line))
    while close:
        _, left, right = heappop(close)
        if paired[left] or paired[right]:
            continue
        paired[left] = paired[right] = True
        row, charge = (left, right) if line[left][2] else (right, left)
        yield line[row][1], line[charge][1]
        left, right = before[left], after[right]
        if left >= 0:
            after[left] = right
        if right < len(line):
            before[right] = left
        if left >= 0 and right < len(line) and line[left][2] != line[right][2]:
            heappush(close, _gap(line, left, right))


def _gap(line: list[tuple[int, int, bool]], left: int, right: int) -> tuple[int, int, int]:
    return line[right][0] - line[left][0], left, right
