"""What was decided about a charge that is billed again, or that the provider divides, or divides no more (FOCUS 1.3).

Nobody is billed for a charge while it is prepaid or divided, and nobody decides about it. Billed again, it follows the
last of its line that was billed. A charge and its parts are other rows, of other payers perhaps: a decision about one
side is asked about the new rows of the other, as long as it is open, that is while no billed row of its side follows it:

                         new parts                           the charge itself
    divided at last      asked, by the charge's decision     is not billable
    divided as before    asked, while that is open           is not billable
    divided no more      are none                            asked, by decisions about parts; else it follows its line
"""

from collections.abc import Iterable, Sequence

from charges.flags import Divided
from charges.importing.holding.places import Place
from charges.importing.judging.allocations import keyed
from charges.importing.loading.batches import in_batches
from charges.importing.loading.pairing import Heirs, Link, heirs
from charges.importing.loading.standing import STANDING
from charges.models import Charge, FocusImport, Source
from charges.models.charge import SUPERSEDED, ChargeQuerySet

Status, Kind = Charge.ReviewStatus, Charge.Kind
Decisions = dict[int, dict[int, int]]  # by key of what is divided: charge → itself, or the part of its days, as decided


def successors(source: Source, place: Place, left: Sequence[int]) -> Heirs:
    """`left` are the charges that the delivery speaks for and does not contain."""
    found = heirs(source, place, left)
    if not place.late_month:
        _regroup(source, place, found, left)
    return found


def _regroup(source: Source, place: Place, found: Heirs, left: Iterable[int]) -> None:
    """Complete `found` by the lines of rows that are billed again, and by rows that are asked about."""
    found.lines = _billed_again(place, [*found.links, *found.returned])
    if not place.pieces or place.period is None:
        return
    standing = _standing(_loaded(source, place))
    charges = _charges(standing)
    divided = {piece.key for piece in place.pieces.values() if piece.is_part}
    followed = _followed(place, found, divided) | _followed_before(charges) | (_as_they_were(source, place) - {*left})
    settled = {at for at, _ in found.alike} | {at for at, old in found.links if old in charges}
    for at, piece in place.pieces.items():
        if place.statuses[at] and at not in settled and (piece.is_part or piece.key not in divided):
            own = found.lines.get(at)
            about = standing.get(piece.key, {})
            if others := [decided for charge, decided in about.items() if charge not in followed and charge != own]:
                found.alike.append((at, max(others)))
                found.lines[at] = None


def _charges(decisions: Decisions) -> set[int]:
    return {charge for about in decisions.values() for charge in about}


def _billed_again(place: Place, links: Iterable[Link]) -> dict[int, int | None]:
    """Rows that are billed → the last of their line that was, where the charge that they replace was not."""
    found = {old: at for at, old in links if place.statuses[at]}
    lines: dict[int, int | None] = {}
    while before := _before(found):
        found = {earlier: found[old] for old, earlier in before.items() if earlier}
        lines |= {at: old for old, at in found.items()}
    return lines


def _before(charges: Iterable[int]) -> dict[int, int | None]:
    """What those of them replaced for which nobody is billed."""
    unbilled = (some.filter(review_status=Status.NOT_BILLABLE) for some in in_batches(charges))
    return {pk: before for some in unbilled for pk, before in some.values_list("pk", "replaces")}


def _loaded(source: Source, place: Place) -> ChargeQuerySet:
    loaded = Charge.objects.filter(loaded_by__state=FocusImport.State.LOADED)
    return loaded.filter(source=source, period=place.period, kind=Kind.DELIVERED)


def _standing(charges: ChargeQuerySet) -> Decisions:
    found: Decisions = {}
    for pk, key in keyed(charges.filter(STANDING)):
        found.setdefault(key, {})[pk] = pk
    parts = Charge.objects.filter(STANDING, kind=Kind.PART, origin__in=charges.filter(review_status=Status.DIVIDED))
    origins = dict(parts.values_list("pk", "origin"))
    for pk, key in keyed(parts, of="origin__"):
        if origin := origins[pk]:
            found.setdefault(key, {})[origin] = pk
    return found


def _followed(place: Place, found: Heirs, divided: set[int]) -> set[int]:
    """Charges that a row replaces which is billed, and on the same side of a division."""
    pieces = place.pieces
    return {
        old
        for at, old in (*found.links, *found.returned)
        if place.statuses[at] and (at not in pieces or pieces[at].is_part or pieces[at].key not in divided)
    }


def _followed_before(charges: Iterable[int]) -> set[int]:
    """Charges that a row replaced which is billed, be it after some that were not."""
    followed: set[int] = set()
    lines = {pk: pk for pk in charges}
    while lines:
        heirs = [
            (pk, status, lines[old])
            for some in in_batches(lines)
            for pk, old, status in Charge.objects.filter(
                replaces__in=some, loaded_by__state=FocusImport.State.LOADED
            ).values_list("pk", "replaces", "review_status")
            if old
        ]
        followed |= {charge for _, status, charge in heirs if status != Status.NOT_BILLABLE}
        lines = {pk: charge for pk, _, charge in heirs if charge not in followed}
    return followed


def _as_they_were(source: Source, place: Place) -> set[int]:
    """Current charges, but for those that may be divided into rows which are billed beside them."""
    current = _loaded(source, place).exclude(SUPERSEDED).exclude(flags__has_key=Divided.name)
    return set(current.not_clear().values_list("pk", flat=True))
