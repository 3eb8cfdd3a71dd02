"""What stands in the way of closing or finalizing a month.

Each app registers functions here, in the manner of Django's system checks, from a module named
`blockers`: so `periods` can ask without knowing who answers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Model
from django.urls import NoReverseMatch, reverse

from periods.models import BillingPeriod


@dataclass(frozen=True, slots=True)
class Blocker:
    """A sentence for the checklist, and where to go to mend it, or the step of the month that does.

    A warning is shown and stops nothing.
    """

    sentence: str
    link: str = ""
    is_warning: bool = False
    is_overridable: bool = False
    step: str = ""


Check = Callable[[BillingPeriod], Iterator[Blocker]]
_checks: dict[str, list[Check]] = {"close": [], "finalize": []}


def register(*transitions: str) -> Callable[[Check], Check]:
    """Decorate a generator of blockers: `@register("close")`, `@register("close", "finalize")`."""

    def add(check: Check) -> Check:
        for name in transitions:
            _checks[name].append(check)
        return check

    return add


def checklist(period: BillingPeriod, transition: str) -> list[Blocker]:
    """All blockers, then all warnings, of a transition; none for a transition that nobody guards."""
    found = [blocker for check in _checks.get(transition, []) for blocker in check(period)]
    return sorted(found, key=lambda blocker: blocker.is_warning)


def counted(number: int, one: str, many: str) -> str:
    """`1 charge awaits review`, `12 charges await review`."""
    return f"{number:,} {one if number == 1 else many}"


def changelist(model: type[Model], **filters: Any) -> str:
    """The admin's list of what a blocker counts."""
    try:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    except NoReverseMatch:  # an institution may leave a model out of its admin; the sentence still helps
        return ""
    return f"{url}?{urlencode(filters)}" if filters else url
