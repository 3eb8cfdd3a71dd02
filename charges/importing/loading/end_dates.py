"""Decisions about charges that cross an end date: about their days, as they are divided then and now."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from django.db.models import BooleanField, ExpressionWrapper

from charges.importing.loading.batches import in_batches
from charges.importing.loading.standing import ASKED, STANDING
from charges.models import Charge

Status = Charge.ReviewStatus
AS_ONE = ({Status.EXCLUDED}, {Status.DEFERRED})
IS_HEARD = ExpressionWrapper(STANDING | ASKED, BooleanField())


class Part(NamedTuple):
    pk: int
    start: datetime | None
    end: datetime | None
    status: str
    is_heard: bool  # whether a decision, or a question, stands about it

    @property
    def days(self) -> tuple[datetime | None, datetime | None]:
        return self.start, self.end


def by_days(pairs: Mapping[int, int]) -> tuple[dict[int, int], dict[int, int]]:
    """Rows and parts → the charge or part of which the decision holds; and → one that they are to be asked about.

    `pairs` are row → the charge that it replaces. Parts of the same days follow each other, and parts follow a charge
    that was whole. Days that are divided in another way follow what was said of all alike.
    """
    carried: dict[int, int] = {}
    asked: dict[int, int] = {}
    now, then = _parts(pairs), _parts(pairs.values())
    for row, charge in pairs.items():
        parts, old = now.get(row, []), then.get(charge, [])
        new = [part.pk for part in parts] or [row]
        if not old:
            carried |= dict.fromkeys(new, charge) if parts else {}
        elif [part.days for part in parts] == [part.days for part in old]:
            carried |= dict(zip(new, (part.pk for part in old), strict=True))
        elif {part.status for part in old} in AS_ONE:
            carried |= dict.fromkeys(new, old[0].pk)
        elif heard := [part.pk for part in old if part.is_heard]:
            asked |= dict.fromkeys(new, heard[-1])
    return carried, asked


def _parts(charges: Iterable[int]) -> dict[int, list[Part]]:
    """By what they are of, in the order of their days."""
    found: dict[int, list[Part]] = {}
    for of in in_batches(charges):
        parts = Charge.objects.filter(kind=Charge.Kind.PART, origin__in=of).annotate(is_heard=IS_HEARD)
        fields = ("pk", "charge_period_start", "charge_period_end", "review_status", "is_heard")
        for origin, *part in parts.order_by("charge_period_start", "pk").values_list("origin", *fields):
            assert origin
            found.setdefault(origin, []).append(Part(*part))
    return found
