"""What the named groups of the fund code formats find in a code: `fund`, `org`, whatever the institution calls them."""

from functools import lru_cache
from operator import itemgetter
from typing import Any

from charges.models import ReviewRule
from charges.patterns import compiled


class FundParts:
    """By the formats that are active when it is made; of several that match, the first."""

    def __init__(self) -> None:
        rules = ReviewRule.objects.filter(is_active=True, kind=ReviewRule.Kind.FUND_FORMAT).order_by("pk")
        self.formats = [compiled(pattern) for pattern in rules.values_list("pattern", flat=True)]
        self.none = {name: "" for form in self.formats for name, _ in _groups(form)}
        self.of = lru_cache(maxsize=10_000)(self._of)

    def _of(self, code: str) -> dict[str, str]:
        """Every name that a format knows; empty where the code has no such part."""
        match = next((match for form in self.formats if (match := form.search(code))), None)
        return self.none | named(match) if match else self.none


def named(match: Any) -> dict[str, str]:
    """The named groups of a match that took part in it, in their order in the pattern."""
    return {name: match[at] for name, at in _groups(match.re) if match[at]}


def _groups(form: Any) -> list[tuple[str, int]]:
    return sorted(form.groupindex.items(), key=itemgetter(1))
