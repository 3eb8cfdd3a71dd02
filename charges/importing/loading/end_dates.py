"""Decisions about charges that cross an end date, where their days are divided in another way, or no more."""

from collections.abc import Collection, Iterable, Mapping

from charges.importing.loading.pairing import STANDING, in_batches
from charges.models import Charge, FocusImport
from charges.models.charge import ChargeQuerySet

Status = Charge.ReviewStatus
AS_ONE = ({Status.EXCLUDED}, {Status.DEFERRED})
Parts = dict[int, list[int]]  # by what they are of, in the order of their days


def parts_in_place_of(focus_import: FocusImport, pairs: Mapping[int, int]) -> dict[int, int]:
    """New part → the part, or whole charge, that it replaces. `pairs` are row → the charge that it replaces."""
    new = _by_origin(Charge.objects.filter(loaded_by=focus_import))
    replaced = {row: pairs[row] for row in new if row in pairs}
    old = _parts_of(replaced.values())
    return {
        part: earlier
        for row, whole in replaced.items()
        for part, earlier in zip(new[row], old.get(whole, [whole] * len(new[row])), strict=False)
    }


def whole_again(pairs: Mapping[int, int], decided: Collection[int]) -> Parts:
    """Parts of which people decided about one, by the row without parts that replaces what they are of."""
    origins = {
        origin
        for charges in in_batches(decided)
        for origin in charges.filter(kind=Charge.Kind.PART).values_list("origin", flat=True)
        if origin
    }
    rows = {new: old for new, old in pairs.items() if old in origins}
    divided, parts = _parts_of(rows), _parts_of(origins)
    return {new: parts[old] for new, old in rows.items() if new not in divided}


def decided_as_one(wholes: Parts) -> dict[int, int]:
    """Row → one of the parts, where all were excluded, or all deferred."""
    statuses = {pk: status for charges in _all(wholes) for pk, status in charges.values_list("pk", "review_status")}
    return {row: parts[0] for row, parts in wholes.items() if {statuses[part] for part in parts} in AS_ONE}


def decided_apart(wholes: Parts) -> dict[int, int]:
    """Row → a part about which a decision stands."""
    standing = {pk for charges in _all(wholes) for pk in charges.filter(STANDING).values_list("pk", flat=True)}
    return {row: part for row, parts in wholes.items() for part in parts if part in standing}


def _all(wholes: Parts) -> Iterable[ChargeQuerySet]:
    return in_batches(part for parts in wholes.values() for part in parts)


def _parts_of(charges: Iterable[int]) -> Parts:
    found: Parts = {}
    for of in in_batches(charges):
        found |= _by_origin(Charge.objects.filter(origin__in=of))
    return found


def _by_origin(charges: ChargeQuerySet) -> Parts:
    found: Parts = {}
    # That they have an origin leads to its index: there are few, among many charges.
    parts = charges.filter(kind=Charge.Kind.PART, origin__isnull=False).order_by("charge_period_start", "pk")
    for pk, origin in parts.values_list("pk", "origin"):
        assert origin
        found.setdefault(origin, []).append(pk)
    return found
