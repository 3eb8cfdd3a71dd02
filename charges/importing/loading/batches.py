"""Charges by many keys: as many at a time as every database takes."""

from collections.abc import Iterable, Iterator

from charges.models import Charge
from charges.models.charge import ChargeQuerySet

BATCH = 5000


def in_batches(pks: Iterable[int], size: int = BATCH) -> Iterator[ChargeQuerySet]:
    batch: list[int] = []
    for pk in pks:
        batch.append(pk)
        if len(batch) == size:
            yield Charge.objects.filter(pk__in=batch)
            batch = []
    if batch:
        yield Charge.objects.filter(pk__in=batch)
