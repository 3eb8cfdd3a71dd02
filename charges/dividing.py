"""Rows that run past the last day of their fund: their days until then stay on it, the others go elsewhere.

The row's own charge stands for it, with the amounts that were delivered, and is billed as two parts.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from django.utils import timezone

from charges.attribution.funding import LASTING, last_valid
from charges.correcting.reversing import AMOUNTS, RELATED, copy_of
from charges.flags import Reviewer
from charges.models import Charge, FocusImport
from charges.models.payers import WHO_PAYS
from charges.money import EXACT, divide_exactly
from charges.rewriting import rewrite
from periods.calendar import institution_day, last_day_before

Status, Kind, Step = Charge.ReviewStatus, Charge.Kind, Charge.FundStep
BY_DAYS = (Kind.DELIVERED, Kind.LATE, Kind.CARRIED, Kind.PART)  # others repeat what was billed
WITHOUT_END = (*LASTING, Step.FALLBACK)
SET_ASIDE = (Status.EXCLUDED, Status.DEFERRED)
DIVISIBLE = (Status.CLEAR, Status.HELD, Status.APPROVED, *SET_ASIDE)
Ends = Mapping[tuple[int | None, int], date]  # (key of the file, line) → the last day of the fund
# What is looked at of a charge that is divided.
READ_WITH = ("period", *RELATED, "project__fallback_fund", "pi__merged_into", "project__merged_into")
BATCH = 500


def divide(focus_import: FocusImport, ends: Ends, reviewer: Reviewer) -> None:
    """Make the parts of the rows that were staged; they count once their delivery does."""
    if not ends:
        return
    staged = Charge.objects.not_clear().filter(loaded_by=focus_import, review_status=Status.DIVIDED)
    made = [
        part
        for charge in staged.select_related(*READ_WITH).order_by("pk").iterator(chunk_size=BATCH)
        if (place := (charge.file_id, charge.line_number)) in ends
        for part in parts_of(charge, ends[place], reviewer)
    ]
    Charge.objects.bulk_create(made, batch_size=BATCH)


def ends_on(charge: Charge) -> date | None:
    """The last day of the fund that was found for it, where the charge runs past it. A fund that is decided has none."""
    if charge.kind not in BY_DAYS or charge.review_status not in DIVISIBLE or charge.fund_step in WITHOUT_END:
        return None
    return last_day_within(charge)


def last_day_within(charge: Charge) -> date | None:
    """Of its project and fund, whichever ends first, where the charge has days after it."""
    fund, project = charge.funding_account, charge.project
    if not (charge.charge_period_start and charge.charge_period_end and fund and project):
        return None
    first, end = _days(charge)
    return last_valid((project.end_date, fund.valid_until), first, end)


def divide_decided(charges: Iterable[Charge]) -> None:
    """Of saved charges with new payers, those that run past the last day of their fund.

    Their parts are reviewed anew; of what was excluded or deferred, they are that as well.
    """
    ending = [(charge, last) for charge in charges if (last := ends_on(charge))]
    reviewers = {source: Reviewer(source) for source in {charge.source for charge, _ in ending}}
    parts = [part for charge, last in ending for part in parts_of(charge, last, reviewers[charge.source])]
    for charge, _ in ending:
        charge.review_status = Status.DIVIDED
    rewrite([charge for charge, _ in ending], ("review_status",))
    Charge.objects.bulk_create(parts, batch_size=BATCH)


def parts_of(charge: Charge, last: date, reviewer: Reviewer) -> Iterator[Charge]:
    """Unsaved: until the end of that day, and after it. They add up to the charge, to the billionth."""
    first, end = _days(charge)
    days = [Decimal((last - first).days + 1), Decimal((end - last).days)]
    parts = [copy_of(charge, Kind.PART) for _ in days]
    for name in AMOUNTS:
        if (amount := getattr(charge, name)) is not None:
            for part, share in zip(parts, divide_exactly(amount, days, 1, whole=sum(days, Decimal(0))), strict=True):
                setattr(part, name, share)
    until, after = parts
    until.charge_period_end = after.charge_period_start = _midnight_after(last, charge)
    is_expired = not _fund_after(after, last)
    for part, share in zip(parts, days, strict=True):
        part.reference = ""  # that of the row is the charge's own
        part.pricing_quantity = _quantity(charge.pricing_quantity, share / sum(days))
        part.flags = dict(charge.flags)
    after.flags |= _flags_after(after, last, reviewer, is_expired=is_expired)
    for part in parts:
        if part.review_status not in SET_ASIDE:
            part.review_status = Status.HELD if part.flags else Status.CLEAR
        yield part


def _days(charge: Charge) -> tuple[date, date]:
    """The first and the last by the institution's clock."""
    assert charge.charge_period_start  # a row that says no days crosses none
    assert charge.charge_period_end
    return institution_day(charge.charge_period_start), last_day_before(charge.charge_period_end)


def _midnight_after(last: date, charge: Charge) -> datetime:
    """By the clock that the row goes by: a bare date is midnight in UTC, whatever the institution's zone."""
    is_bare = charge.charge_period_start and charge.charge_period_start.astimezone(UTC).time() == time.min
    zone = UTC if is_bare else timezone.get_current_timezone()
    return datetime.combine(last + timedelta(days=1), time.min, tzinfo=zone)


def _fund_after(part: Charge, last: date) -> bool:
    """Whether another fund than that which ended bears the days after it."""
    if part.fund_step == Step.BEARER and (borne := _borne_from(part)):
        part.pi, part.project, part.funding_account = (getattr(borne, name).standing for name in WHO_PAYS)
    elif fallback := part.project and part.project.fallback_after(last):
        part.funding_account, part.fund_step = fallback, Step.FALLBACK
    else:
        return False
    return True


def _borne_from(refund: Charge) -> Charge | None:
    """The part of an earlier month, of the same resource, that began on the day on which this one begins."""
    earlier = Charge.objects.billable().filter(
        kind=Kind.PART, source=refund.source_id, resource_id=refund.resource_id, due_amount__gt=0,
        charge_period_start=refund.charge_period_start, funding_account__isnull=False,
    )  # fmt: skip
    return earlier.select_related(*WHO_PAYS).exclude(period=refund.period_id).order_by("pk").last()


def _flags_after(part: Charge, last: date, reviewer: Reviewer, *, is_expired: bool) -> dict[str, str]:
    """Of the fund that was found for the days after the last."""
    if not part.due_amount or part.funding_account is None:
        return {}
    day = last + timedelta(days=1)
    return reviewer.fund_flags(part.funding_account.code, day, last if is_expired else None, has_due=True)


def _quantity(quantity: str, share: Decimal) -> str:
    try:
        part = EXACT.multiply(Decimal(quantity), share)
    except InvalidOperation:
        return quantity
    return f"{part.quantize(Decimal('0.000001'), context=EXACT).normalize(EXACT):f}"
