"""Rows of a snapshot take the place of those that are no more as they were; what people decided goes with them."""

from collections.abc import Iterator

from django.db.models import Q, QuerySet

from charges.converting import convert, revert
from charges.funding import ProjectFunds
from charges.importing.comparing import BATCH, in_batches
from charges.importing.places import Place
from charges.importing.snapshot import Old, pair
from charges.importing.totals import short
from charges.models import Charge, FocusImport, Source
from charges.money import to_billionths
from charges.review import settle_payer_flags

Status = Charge.ReviewStatus
PAYER = ("pi", "project", "funding_account")
# What tells a row where its file writes everything anew: with another column, or times in another form.
ABOUT = (
    "billing_account_id", "sub_account_id", "billing_currency", "charge_category", "charge_class",
    "charge_description", "charge_period_start", "charge_period_end", "commitment_discount_id", "resource_id",
    "resource_name", "service_name", "sku_id",
)  # fmt: skip
Keys = Iterator[tuple[int, int, int]]  # what a row is about, due in billionths, charge


def supersede(focus_import: FocusImport, place: Place, left: list[Old]) -> int:
    """Let the new rows of the month replace those that are left; how many were matched by what charges store."""
    for charges in in_batches(old.pk for old in left):
        charges.update(superseded_by=focus_import)
    if not left:
        return 0
    new = Charge.objects.filter(loaded_by=focus_import, period=place.period).order_by("pk")
    pairs = dict(pair(left, _identities(new)))
    is_respelt = not pairs and not place.unchanged
    if is_respelt:  # not one row is told as before: it is the file that changed
        pairs = dict(pair(_told_by_columns(left), _columns(new)))
    for charges in in_batches(pairs):
        changed = list(charges)
        for charge in changed:
            charge.replaces_id = pairs[charge.pk]
        Charge.objects.bulk_update(changed, ["replaces"], batch_size=200)
    _carry_decisions(pairs, focus_import.source)
    return len(pairs) if is_respelt else 0


def _identities(charges: QuerySet[Charge]) -> Keys:
    rows = charges.values_list("identity_digest", "due_amount", "pk").iterator(chunk_size=BATCH)
    return ((identity, to_billionths(due), pk) for identity, due, pk in rows)


def _columns(charges: QuerySet[Charge]) -> Keys:
    for about, due, pk in _stored(charges):
        yield hash(about), due, pk


def _told_by_columns(left: list[Old]) -> Iterator[Old]:
    for charges in in_batches(old.pk for old in left):
        for about, due, pk in _stored(charges.order_by("pk")):
            yield Old(pk, hash(about), due)


def _stored(charges: QuerySet[Charge]) -> Iterator[tuple[tuple[object, ...], int, int]]:
    for due, pk, *about in charges.values_list("due_amount", "pk", *ABOUT).iterator(chunk_size=BATCH):
        yield tuple(about), to_billionths(due), pk


def _carry_decisions(pairs: dict[int, int], source: Source) -> None:
    """What people decided about a row holds for its changed form; an approval only if due hardly moved."""
    by_old = {old: new for new, old in pairs.items()}
    related = Charge.objects.select_related("period", "source", *PAYER)
    decided = ~Q(review_status__in=[Status.CLEAR, Status.HELD, Status.NOT_BILLABLE]) | Q(
        fund_step=Charge.FundStep.DECISION
    )
    for charges in in_batches(by_old):
        for old in charges.filter(decided | Q(decided_at__isnull=False)).select_related(*PAYER):
            new = related.get(pk=by_old[old.pk])
            if new.review_status != Status.NOT_BILLABLE:
                _carry(old, new, source)
                new.save()


def _carry(old: Charge, new: Charge, source: Source) -> None:
    has_moved = old.decided_at is not None and old.project is not None and old.project_id != new.project_id
    if old.decided_at:
        new.pi, new.project = old.pi or new.pi, old.project or new.project
    if old.fund_step == Charge.FundStep.DECISION:
        new.funding_account, new.fund_step = old.funding_account, old.fund_step
    elif has_moved and new.project:
        ProjectFunds(new.project).apply(new)
    settle_payer_flags(new)
    new.decided_by_id, new.decided_at, new.decision_reason = old.decided_by_id, old.decided_at, old.decision_reason
    if old.review_status in (Status.EXCLUDED, Status.DEFERRED):
        new.review_status = old.review_status
    elif old.review_status == Status.APPROVED:
        _carry_approval(old, new, source)


def _carry_approval(old: Charge, new: Charge, source: Source) -> None:
    """It holds while due hardly moves and nothing is lacking; amounts are compared in the month's currency."""
    is_complete = not new.missing and (not new.is_unconverted or convert(new))
    if is_complete and abs(new.due_amount - old.due_amount) <= source.approval_threshold:
        new.review_status = Status.APPROVED
        return
    new.flags["changed_after_approval"] = f"Due was {short(old.due_amount)} when it was approved."
    new.review_status = Status.HELD
    if new.exchange_rate_id:
        revert(new)
