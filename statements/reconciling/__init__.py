"""Reconciles a month: from what providers billed to what statements and journals say, in steps that must add up.

The two sides of a step are summed apart: costs as delivered, amounts as priced, lines as rounded, documents as
issued. Nothing is plugged: where the sides differ, the difference is the finding.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from charges.models import ExchangeRate, Source
from periods.models import BillingPeriod
from statements.reconciling.inward import converted, inward
from statements.reconciling.outward import Books, outward, read_books
from statements.reconciling.result import Part, Prepaid, Reconciliation, Step, Where
from statements.reconciling.tallies import Commitment, Tally, commitments, read_tallies

__all__ = ["Reconciliation", "reconcile"]
EVERY_SOURCE, NO_SOURCE = "All sources", "Without a source"


@dataclass(frozen=True, slots=True)
class _Month:
    period: BillingPeriod
    found: Sequence[Tally]
    books: Books
    names: dict[int | None, str]
    rates: dict[int, ExchangeRate]


def reconcile(period: BillingPeriod) -> Reconciliation:
    """By source and currency; in the month's currency on to statements and journals, and for all sources together."""
    found = read_tallies(period)
    month = _Month(
        period=period,
        found=found,
        books=read_books(period),
        names={None: NO_SOURCE, **dict(Source.objects.values_list("pk", "name"))},
        rates=ExchangeRate.objects.in_bulk({tally.rate for tally in found if tally.rate}),
    )
    sources = {tally.source for tally in found} | month.books.sources
    ordered = sorted(sources, key=lambda source: (source is None, month.names[source]))
    parts = [part for source in ordered for part in _parts(month, source)]
    if len(sources) > 1:
        parts.append(Part(EVERY_SOURCE, period.currency, outward(found, month.books, is_every=True)))
    return Reconciliation(period, parts, [_prepaid(month, commitment) for commitment in commitments(period)])


def _parts(month: _Month, source: int | None) -> Iterable[Part]:
    """Foreign bills first; then the month's currency, which they are converted to."""
    own = [tally for tally in month.found if tally.source == source]
    home = month.period.currency
    delivered = [tally for tally in own if tally.origin == "delivered"]
    foreign = {tally.currency for tally in delivered} - {"", home}
    for currency in sorted(foreign):
        rows = [tally for tally in delivered if tally.currency == currency]
        yield Part(month.names[source], currency, [*inward(rows, month.period, currency), *_rates(month, rows)])
    rows = [tally for tally in delivered if tally.currency in ("", home)]
    yield Part(
        month.names[source], home, [*inward(rows, month.period, home), *outward(own, month.books, source=source)]
    )


def _rates(month: _Month, rows: Sequence[Tally]) -> Iterable[Step]:
    for rate in sorted({row.rate for row in rows if row.rate}):
        yield converted([row for row in rows if row.rate == rate], month.period, month.rates[rate])


def _prepaid(month: _Month, commitment: Commitment) -> Prepaid:
    lookups = {
        "period__id__exact": month.period.pk,
        "source__id__exact": commitment.source,
        "billing_currency__exact": commitment.currency,
        "commitment_discount_id__exact": commitment.name,
        "review_status__exact": "all",
    }
    return Prepaid(month.names[commitment.source], commitment, Where("charges_charge", lookups))
