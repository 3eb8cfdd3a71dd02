"""Divides an amount over parts in proportion to them, never beyond any."""

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal, localcontext

from charges.money import EXACT, ZERO, total


def apportion(amount: Decimal, parts: Sequence[Decimal], unit: Decimal) -> list[Decimal]:
    """Shares in whole units, each of the sign of its part and no larger; `amount` is at most the sum of the parts.

    They add up to `amount`, or to less where the parts have no more whole units to take. The largest part that has
    room takes what truncation leaves.
    """
    whole = total(parts)
    if whole < 0:
        return [-share for share in apportion(-amount, [-part for part in parts], unit)]
    if not whole:
        return [ZERO] * len(parts)
    with localcontext(EXACT):
        shares = [(part * amount / whole).quantize(unit, ROUND_DOWN) for part in parts]
        rest = amount - sum(shares, ZERO)
        for index in sorted(range(len(parts)), key=lambda index: -parts[index]):
            if not rest or parts[index] <= 0:
                break
            room = parts[index].quantize(unit, ROUND_DOWN) - shares[index] if rest > 0 else shares[index]
            step = min(abs(rest), room).copy_sign(rest)
            shares[index] += step
            rest -= step
    return shares
