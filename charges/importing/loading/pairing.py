"""Which new row takes the place of which charge, so that what people decided goes with it.

By identity, and for charges that somebody decided about also when they come again after a delivery that lacked them, or
in which they could not be read. A row that is like one of these, but for other tags or columns, is another row: it is
held, so that nobody is billed against a decision unseen.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from django.db.models import BigIntegerField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet

from charges.importing.checking.memo import Memo
from charges.importing.holding.places import Place
from charges.importing.holding.snapshot import Old, Snapshot, by_month, pair
from charges.importing.judging.assessing import ABOUT
from charges.importing.writing import instant
from charges.models import Charge, FocusImport, Source
from charges.money import to_billionths
from charges.review import BILLED_ELSEWHERE, UNDECIDED

BATCH = 5000
Link = tuple[int, int]  # a new row by its place among those of its month, and the key of the charge it replaces


@dataclass(slots=True)
class Heirs:
    """Of one month."""

    links: list[Link]  # of charges that the delivery does not hold as they are
    returned: list[Link] = field(default_factory=list)  # of charges that were decided, and gone before
    anew: int = 0  # links of a file that names not one row as before
    alike: list[Link] = field(default_factory=list)  # to decided charges that nothing replaces, by a second identity
    gone: int = 0  # decided charges that nothing replaces


def heirs(source: Source, place: Place, left: Sequence[Old]) -> Heirs:
    """`left` are the charges that the delivery speaks for and does not contain."""
    found = Heirs(list(pair(left, _free(place, place.identities, []))))
    if place.late_month or not isinstance(place.holding, Snapshot):
        return found
    if left and not found.links and not place.unchanged:  # not one row is told as before: it is the file that changed
        found.links = list(pair(_told_by_columns(old.pk for old in left), _free(place, place.abouts, [])))
        found.anew = len(found.links)
    if place.added > len(found.links) and (gone := list(_gone_before(source, place))):
        found.returned = list(pair(gone, _free(place, place.identities, found.links)))
    _look_for_decided(found, place, left)
    return found


def _look_for_decided(found: Heirs, place: Place, left: Sequence[Old]) -> None:
    replaced = {old for _, old in found.links}
    batches = in_batches(old.pk for old in left if old.pk not in replaced)
    orphans = [pk for charges in batches for pk in decided(charges).values_list("pk", flat=True)]
    if orphans:
        free = _free(place, place.abouts, [*found.links, *found.returned])
        found.gone, found.alike = len(orphans), list(pair(_told_by_columns(orphans), free))


def _free(place: Place, identities: Iterable[int], links: Sequence[Link]) -> Iterator[tuple[int, int, int]]:
    """The new rows that replace nothing yet."""
    taken = {at for at, _ in links}
    for at, (identity, due) in enumerate(zip(identities, place.dues, strict=True)):
        if at not in taken:
            yield identity, due, at


def _gone_before(source: Source, place: Place) -> Iterator[Old]:
    """Decided charges of the month that a delivery superseded by none of its rows, and that have not come again since."""
    if place.period is None or not source.pk:
        return
    loaded = FocusImport.objects.loaded().filter(source=source)
    heir = Charge.objects.filter(replaces=OuterRef("pk"), loaded_by__state=FocusImport.State.LOADED)
    gone = by_month(decided(Charge.objects.filter(superseded_by__in=loaded.values("pk")))).filter(
        ~Exists(heir), of_period=place.period.pk, kind=Charge.Kind.DELIVERED, billing_account_id__in=[*place.accounts]
    )
    billionths = ExpressionWrapper(F("due_amount"), BigIntegerField())
    for pk, identity, due in gone.order_by("pk").values_list("pk", "identity_digest", billionths):
        yield Old(pk, identity, due)


def decided(charges: QuerySet[Charge]) -> QuerySet[Charge]:
    """Those that somebody decided about."""
    undecided = [*UNDECIDED, *BILLED_ELSEWHERE]
    by_reviewer = Q(fund_step=Charge.FundStep.DECISION) | Q(decided_at__isnull=False)
    return charges.filter(~Q(review_status__in=undecided) | by_reviewer)


def in_batches(pks: Iterable[int]) -> Iterator[QuerySet[Charge]]:
    batch: list[int] = []
    for pk in pks:
        batch.append(pk)
        if len(batch) == BATCH:
            yield Charge.objects.filter(pk__in=batch)
            batch = []
    if batch:
        yield Charge.objects.filter(pk__in=batch)


def _told_by_columns(pks: Iterable[int]) -> Iterator[Old]:
    """Charges by a second identity, of what they store: as `Assessment.abouts` tells new rows."""
    fields = (*ABOUT, "billing_currency", "charge_period_start", "charge_period_end", "payer_digest")
    of_instant = Memo(instant)
    for charges in in_batches(pks):
        for pk, due, *about in charges.order_by("pk").values_list("pk", "due_amount", *fields):
            *texts, start, end, payer = about
            yield Old(pk, hash((*texts, of_instant[start], of_instant[end], payer)), to_billionths(due))
