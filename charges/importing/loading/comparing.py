"""What a delivery changes against what the months hold: computed once, for the preview, the thresholds and the load."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import Case, Sum, Value, When

from charges.flags import LikeDecided, UnusualChange
from charges.importing.checking.totals import short
from charges.importing.holding.places import CLEAR, SHARED, Place, ProjectDelta
from charges.importing.holding.snapshot import held_of
from charges.importing.judging.unusual import Flags, New
from charges.importing.loading.batches import in_batches
from charges.importing.loading.foreseeing import held_by_decisions
from charges.importing.loading.regrouping import successors
from charges.importing.recognising import same_rows
from charges.importing.staging import Staging
from charges.models import Charge
from charges.money import ZERO, from_billionths, to_billionths
from periods.blockers import counted
from periods.models import BillingPeriod

NAMED = 3


class Comparison:
    def __init__(self, staging: Staging) -> None:
        self.staging = staging
        self.places = staging.places.loaded
        self.left = {place.month: place.holding.left(place.accounts) for place in staging.places.values()}
        self.new = sum(place.added for place in self.places)
        self.vanished = sum(len(self.left[place.month]) for place in self.places)
        self.unchanged = staging.unchanged
        self.heirs = {place.month: successors(staging.source, place, self.left[place.month]) for place in self.places}

    @cached_property
    def unusual(self) -> dict[str, Flags]:
        """By month, the services that come to far more than before."""
        return {
            place.month: place.watch.unusual(place.period, in_batches(self.left[place.month]))
            for place in self.places
            if place.watch
        }

    @property
    def flags(self) -> Counter[str]:
        """Of the rows that are new or changed, how many have each flag."""
        dear = sum(new.rows for new in self._dear)
        return self.staging.flags + Counter({UnusualChange.name: dear, LikeDecided.name: self._alike})

    @cached_property
    def flagged(self) -> int:
        """Rows that are held for review once the delivery is loaded."""
        held = self.staging.flagged + sum(new.clear for new in self._dear)
        for place in self.places:
            found = self.heirs[place.month]
            held += sum(place.statuses[at] in (CLEAR, SHARED) for at, _ in found.alike)
            if not place.late_month:  # all of which are held
                held += held_by_decisions(self.staging.source, place, found.decisions)
        return held

    @property
    def _alike(self) -> int:
        return sum(len(found.alike) for found in self.heirs.values())

    @property
    def _dear(self) -> list[New]:
        return [place.watch.new[key] for place in self.places if place.watch for key in self.unusual[place.month]]

    @property
    def changed(self) -> int:
        """Rows that replace another."""
        return sum(len(found.links) for found in self.heirs.values())

    @property
    def added(self) -> int:
        return self.new - self.changed

    @property
    def removed(self) -> int:
        return self.vanished - self.changed

    @property
    def remarks(self) -> list[str]:
        """About rows that stay beside these, and about what people decided."""
        anew = sum(found.anew for found in self.heirs.values())
        gone = sum(len(found.dropped) for found in self.heirs.values())
        told = [*self._other_accounts]
        if anew:
            told.append(
                "Not one row is named as in the last delivery: the file writes other columns, or names in another form. "
                f"By resource, service, charge period and payer, {anew:,} rows replace earlier ones, and what "
                "was decided about those holds."
            )
        if gone:
            told.append(_told_of_gone(gone))
        if self._alike:
            rows = counted(self._alike, "row is", "rows are")
            told.append(f"{rows} like a decided charge that is billed no more in that form, and held for review.")
        return told

    @property
    def _other_accounts(self) -> Iterator[str]:
        """A delivery of other accounts only is one of several, or names the same account in another way."""
        for place in self.places:
            if (held := place.holding.beside(place.accounts)) and not place.late_month:
                yield (
                    f"{place.month} also holds rows {_of_accounts(held)}, which this delivery does not name: they stay. "
                    "If it is the same account in other words, reverse this import and mend the file."
                )

    @property
    def doubt(self) -> str:
        """Why it is loaded by force only; empty where nothing is."""
        return " ".join(filter(None, [self._same_rows, *self.replaced_accounts, *self._unreadable, self.fall]))

    @property
    def _same_rows(self) -> str:
        staging = self.staging
        return same_rows(staging.source, staging.rows, staging.totals.as_text(), staging.first)

    @property
    def _unreadable(self) -> Iterator[str]:
        """Sentences about months of which no row of an account can be used, while rows of it are there."""
        for place in self.places:
            accounts = [
                account for account, rows in place.accounts.items() if not rows and account not in place.replaced
            ]
            if rows := len(place.holding.left(accounts)):
                yield (
                    f"{place.month} holds {counted(rows, 'row', 'rows')} {_of_accounts(accounts)}, and of those that this "
                    "delivery has instead none can be used."
                )

    @cached_property
    def replaced_accounts(self) -> list[str]:
        """Sentences about months whose rows are of other accounts, of which either side has none."""
        found = []
        for place in self.places:
            if rows := len(place.holding.left(place.replaced)):
                given = "names accounts" if place.replaced == [""] else "names no account"
                found.append(
                    f"{place.month} holds {counted(rows, 'row', 'rows')} of {self.staging.source} "
                    f"{_of_accounts(place.replaced)}, and this "
                    f"delivery {given}: its rows take the place of those. If both count, one needs a source of its own."
                )
        return found

    @cached_property
    def by_project(self) -> list[dict[str, Any]]:
        """Per currency and project: rows that come and go, Δ list and Δ due; the largest first, amounts as text.

        A changed row goes as it was and comes as it is.
        """
        total: dict[tuple[str, str], ProjectDelta] = {}
        for place in self.places:
            for key, delta in self._deltas(place).items():
                total.setdefault(key, ProjectDelta()).add(delta)
        ordered = sorted(total.items(), key=lambda item: (-abs(item[1].due), -abs(item[1].list), item[0]))
        return [
            {"currency": key, "project": code, "rows": d.rows, "gone": d.gone, **_amounts(d)}
            for (key, code), d in ordered
        ]

    @cached_property
    def late_months(self) -> list[dict[str, Any]]:
        """Per closed month and currency: rows that differ, Δ list, Δ due, and the month that took them, if any."""
        found = []
        for place in self.staging.places.values():
            if place.late_month and not place.is_settled:
                to = "" if place.is_kept else self.staging.places.taker(place)
                for currency, delta in (_by_currency(self._deltas(place)) or self._unbilled(place)).items():
                    rows = delta.rows + delta.gone
                    found.append(
                        {"month": place.month, "to": to, "currency": currency, "rows": rows, **_amounts(delta)}
                    )
        return found

    def _unbilled(self, place: Place) -> dict[str, ProjectDelta]:
        """Where all that differs is not billable: nothing for any project, but not what the month holds."""
        delta = ProjectDelta(place.added, len(self.left[place.month]))
        return {place.currency: delta} if delta.rows or delta.gone else {}

    def _deltas(self, place: Place) -> dict[tuple[str, str], ProjectDelta]:
        """What the rows of one month add to what it holds, by currency and project."""
        deltas = {key: replace(delta) for key, delta in place.deltas.items()}
        for charges in in_batches(self.left[place.month]):
            rows = charges.exclude(review_status=Charge.ReviewStatus.NOT_BILLABLE).annotate(c=currency(place))
            for key, code, list_amount, due in rows.values_list("c", "project__code", "list_amount", "due_amount"):
                delta = deltas.setdefault((key, code or ""), ProjectDelta())
                delta.gone += 1
                delta.list -= to_billionths(list_amount)
                delta.due -= to_billionths(due)
        return deltas

    @property
    def fall(self) -> str:
        """Of the first month that is smaller by more than the source's threshold; empty where none is."""
        threshold = self.staging.source.fall_threshold
        if threshold is None:
            return ""
        return next(filter(None, (self._fall(place, threshold) for place in self.places)), "")

    def _fall(self, place: Place, threshold: int) -> str:
        gone = len(self.left[place.month])
        held, fewer = gone + place.unchanged, (gone - place.added) * 100
        if held and fewer > threshold * held:
            return f"The delivery has {fewer // held} % fewer rows of {place.month} than the last one."
        deltas = _by_currency(self._deltas(place))
        for key, total in self._held_totals(place).items():
            less = -from_billionths(deltas[key].due) if key in deltas else ZERO
            if total > 0 and less * 100 > threshold * total:
                return f"The amount due of {place.month} falls by {short(less)} of {short(total)} {key}."
        return ""

    def _held_totals(self, place: Place) -> dict[str, Decimal]:
        """Due by currency, of the accounts that the delivery speaks for."""
        month = BillingPeriod.objects.filter(month=place.month).first()
        if month is None:
            return {}
        held = held_of(self.staging.source, month).filter(billing_account_id__in=list(place.accounts))
        return dict(held.annotate(c=currency(place)).order_by().values_list("c").annotate(Sum("due_amount")))


def _told_of_gone(gone: int) -> str:
    charges = counted(gone, "charge that somebody decided about is", "charges that people decided about are")
    come = "it comes" if gone == 1 else "they come"
    return f"{charges} in this delivery no more; what was decided holds when {come} again."


def _of_accounts(names: Sequence[str]) -> str:
    named = [name for name in names if name]
    if not named:
        return "without a billing account"
    return f"of the billing accounts {', '.join(named[:NAMED])}{', …' if named[NAMED:] else ''}"


def currency(place: Place) -> Case:
    """Once converted, a charge's amounts are in the month's currency."""
    return Case(When(exchange_rate=None, then="billing_currency"), default=Value(place.currency))


def _by_currency(deltas: dict[tuple[str, str], ProjectDelta]) -> dict[str, ProjectDelta]:
    found: dict[str, ProjectDelta] = {}
    for (key, _project), delta in deltas.items():
        found.setdefault(key, ProjectDelta()).add(delta)
    return found


def _amounts(delta: ProjectDelta) -> dict[str, str]:
    return {"list": short(from_billionths(delta.list)), "due": short(from_billionths(delta.due))}
