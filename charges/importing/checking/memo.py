"""Remembers what a function made of a text: the same texts come thousands of times in a billing file."""

from collections.abc import Callable, Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(dict[K, V]):
    """`[memo[text] for text in column]` calls the function once a text. Holds `size` answers, then begins anew."""

    def __init__(self, function: Callable[[K], V], size: int = 20_000) -> None:
        super().__init__()
        self.function, self.size = function, size

    def __missing__(self, key: K) -> V:
        if len(self) >= self.size:
            self.clear()
        value = self[key] = self.function(key)
        return value
