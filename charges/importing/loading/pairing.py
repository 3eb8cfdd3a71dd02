"""Which new row takes the place of which charge, so that what people decided goes with it.

By identity, and for charges that somebody decided about also when they come again after a delivery that lacked them, or
in which they could not be read. A row that is like one of these, but for other tags or columns, is another row: it is
held, so that nobody is billed against a decision unseen.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import starmap

from django.db.models import BigIntegerField, Exists, ExpressionWrapper, F, OuterRef, Q

from charges.importing.checking.memo import Memo
from charges.importing.holding.places import Place
from charges.importing.holding.snapshot import Snapshot, by_month, deliveries_of
from charges.importing.judging.assessing import ABOUT
from charges.importing.loading.batches import in_batches
from charges.importing.loading.matching import Old, pair, repeated
from charges.importing.loading.standing import ASKED, ONCE_DECIDED, STANDING, or_of_parts
from charges.importing.writing import instant
from charges.models import Charge, FocusImport, Source
from charges.money import to_billionths

DUE = ExpressionWrapper(F("due_amount"), BigIntegerField())  # in billionths, as it is stored
Link = tuple[int, int]  # a new row by its place among those of its month, and the key of the charge it replaces


@dataclass(slots=True)
class Heirs:
    """Of one month."""

    links: list[Link]  # of charges that the delivery does not hold as they are
    returned: list[Link] = field(default_factory=list)  # of charges that were decided, and gone before
    anew: int = 0  # links of a file that names not one row as before
    alike: list[Link] = field(default_factory=list)  # to decided charges that nothing replaces, by a second identity
    dropped: list[int] = field(default_factory=list)  # decided charges that nothing replaces
    # Rows by their place → the charge of which the decision holds; None where one is asked about. Of others, see links.
    lines: dict[int, int | None] = field(default_factory=dict)

    @property
    def decisions(self) -> list[Link]:
        """Rows, with the charge of which the decision goes to them."""
        own = ((at, self.lines.get(at, old)) for at, old in (*self.links, *self.returned))
        return [(at, old) for at, old in own if old is not None]


def heirs(source: Source, place: Place, left: Sequence[int]) -> Heirs:
    """`left` are the charges that the delivery speaks for and does not contain."""
    several = repeated(place.identities) if left else set()
    found = Heirs(list(pair(_told(left), _free(place, place.identities, []), several)))
    if place.late_month or not isinstance(place.holding, Snapshot):
        return found
    if left and not found.links and not place.unchanged:  # not one row is told as before: it is the file that changed
        new = _free(place, place.abouts, [])
        found.links = list(pair(_told_by_columns(left), new, repeated(place.abouts)))
        found.anew = len(found.links)
    gone = list(_gone_before(source, place)) if place.added > len(found.links) else []
    if gone:
        new = _free(place, place.identities, found.links)
        found.returned = list(pair(gone, new, several or repeated(place.identities)))
    replaced = {old for _, old in (*found.links, *found.returned)}
    found.dropped = _with_decisions(pk for pk in left if pk not in replaced)
    before = _with_decisions(old.pk for old in gone if old.pk not in replaced)
    found.alike = _alike(place, found, [*before, *found.dropped])
    return found


def _alike(place: Place, found: Heirs, decided_ones: Sequence[int]) -> list[Link]:
    """All rows that are like one of these: which of them it became, a person knows."""
    if not decided_ones:
        return []
    by_about = {old.identity: old.pk for old in _told_by_columns(decided_ones)}
    free = _free(place, place.abouts, [*found.links, *found.returned])
    return [(at, by_about[about]) for about, _, at in free if about in by_about and place.statuses[at]]


def _with_decisions(pks: Iterable[int]) -> list[int]:
    """Those about which, or about a part of which, a decision stands."""
    return [
        pk for charges in in_batches(pks) for pk in charges.filter(or_of_parts(STANDING)).values_list("pk", flat=True)
    ]


def _free(place: Place, identities: Iterable[int], links: Sequence[Link]) -> Iterator[tuple[int, int, int]]:
    """The new rows that replace nothing yet."""
    taken = {at for at, _ in links}
    for at, (identity, due) in enumerate(zip(identities, place.dues, strict=True)):
        if at not in taken:
            yield identity, due, at


def _gone_before(source: Source, place: Place) -> Iterator[Old]:
    """Charges of the month that a delivery superseded by none of its rows, and that have not come again since.

    Decided ones, and what is not billed now but was perhaps when somebody decided.
    """
    if place.period is None:
        return
    loaded = deliveries_of(source, place.period)
    heir = Charge.objects.filter(replaces=OuterRef("pk"), loaded_by__state=FocusImport.State.LOADED)
    gone = by_month(Charge.objects.filter(superseded_by__in=loaded.values("pk"))).filter(
        or_of_parts(ONCE_DECIDED | ASKED) | Q(review_status=Charge.ReviewStatus.NOT_BILLABLE), ~Exists(heir), of_period=place.period.pk,
        kind=Charge.Kind.DELIVERED, billing_account_id__in=[*place.accounts],
    )  # fmt: skip
    yield from starmap(Old, gone.order_by("pk").values_list("pk", "identity_digest", DUE))


def _told(pks: Iterable[int]) -> Iterator[Old]:
    for charges in in_batches(pks):
        yield from starmap(Old, charges.values_list("pk", "identity_digest", DUE))


def _told_by_columns(pks: Iterable[int]) -> Iterator[Old]:
    """Charges by a second identity, of what they store: as `Assessment.abouts` tells new rows."""
    fields = (*ABOUT, "billing_currency", "charge_period_start", "charge_period_end", "payer_digest")
    of_instant = Memo(instant)
    for charges in in_batches(pks):
        for pk, due, *about in charges.order_by("pk").values_list("pk", "due_amount", *fields):
            *texts, start, end, payer = about
            yield Old(pk, hash((*texts, of_instant[start], of_instant[end], payer)), to_billionths(due))
