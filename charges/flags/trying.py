"""What the pattern of a review rule matches of what is there already: nothing is saved, and nothing is changed."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from charges.flags.parts import named
from charges.models import Charge, FundingAccount
from charges.patterns import compiled
from periods.models import BillingPeriod

FIRST = 20


class Tried(NamedTuple):
    """Names of one kind: how many, and the first of them with what named groups find."""

    heading: str
    number: int
    first: list[tuple[str, dict[str, str]]]


def try_format(pattern: str) -> list[Tried]:
    """Over the fund codes: those that match, and those that would be held. Raises ValueError."""
    form = compiled(pattern)
    codes = FundingAccount.objects.filter(merged_into=None).order_by("code").values_list("code", flat=True)
    found = [(code, form.search(code)) for code in codes]
    return [
        _tried("Fund codes that match", [(code, match) for code, match in found if match]),
        _tried("Fund codes that do not match, and are held", [(code, None) for code, match in found if not match]),
    ]


def try_pattern(pattern: str) -> list[Tried]:
    """Over the names that charges of open months have: what would be held. Raises ValueError."""
    form = compiled(pattern, ignores_case=True)
    charges = Charge.objects.current().filter(period__state=BillingPeriod.State.OPEN).order_by()
    services, resources = set[str](), set[str]()
    for service, *names in charges.values_list("service_name", "resource_name", "resource_id").distinct().iterator():
        services.add(service)
        resources.update(names)
    return [
        _tried(f"{what} in open months that match, and are held", _matching(form, names - {""}))
        for what, names in (("Services", services), ("Resource names and IDs", resources))
    ]


def _matching(form: Any, names: Iterable[str]) -> list[tuple[str, Any]]:
    return [(name, match) for name in sorted(names) if (match := form.search(name))]


def _tried(heading: str, found: list[tuple[str, Any]]) -> Tried:
    return Tried(heading, len(found), [(name, named(match) if match else {}) for name, match in found[:FIRST]])
