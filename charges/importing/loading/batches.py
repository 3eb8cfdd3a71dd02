"""Charges by many keys: as many at a time as every database takes."""

import time
from collections.abc import Iterable, Iterator

from django.db import connection

from charges.models import Charge
from charges.models.charge import ChargeQuerySet

BATCH = 5000
MOMENT = 0.1  # seconds: SQLite lets a writer who waits ask again at least so often


def in_batches(pks: Iterable[int], size: int = BATCH) -> Iterator[ChargeQuerySet]:
    batch: list[int] = []
    for pk in pks:
        batch.append(pk)
        if len(batch) == size:
            yield Charge.objects.filter(pk__in=batch)
            batch = []
    if batch:
        yield Charge.objects.filter(pk__in=batch)


def in_turns(pks: Iterable[int], size: int) -> Iterator[ChargeQuerySet]:
    """For batches that are written one right after the other: where one writer locks out all others, they get a turn."""
    for at, charges in enumerate(in_batches(pks, size)):
        if at and not connection.features.has_select_for_update:
            time.sleep(MOMENT)
        yield charges
