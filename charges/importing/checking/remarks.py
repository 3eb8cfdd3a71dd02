"""What is odd about the files of a delivery and keeps no row from being loaded: each remark once, with its count."""

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Iterable
from datetime import date

from charges.focus import Header, is_known
from charges.focus.values import ALLOWED
from charges.importing.checking.memo import Memo
from charges.importing.checking.rows import RowReader, Rows
from charges.importing.reading.coded import together
from charges.models import Source
from periods.blockers import counted

ZONED = re.compile(r"[+-]\d\d:?\d\d\s*$")


class Remarks:
    """Counts rows; `sentences` are for people."""

    def __init__(self, source: Source, *, is_placed: bool = False) -> None:
        """`is_placed` where a person says which month all rows are of."""
        self.source, self.is_placed = source, is_placed
        self.absent: Counter[tuple[str, str]] = Counter()  # version and column
        self.empty: Counter[tuple[str, str]] = Counter()
        self.unknown: Counter[tuple[str, str]] = Counter()  # field and value
        self.tags: Counter[str] = Counter()  # by why they cannot be used
        self.tag_texts: dict[str, str] = {}  # the first of them
        self.others: Counter[str] = Counter()
        self.inclusive = self.blank = 0
        self.shifted: Counter[str] = Counter()  # by what they say, rows whose month is another one in UTC
        self.usage_billed = self.usage_effective = 0  # billionths
        self._is_inclusive = Memo(_names_the_last_day)

    def add(self, sentences: Iterable[str]) -> None:
        self.others.update(sentences)

    def look_at(self, header: Header, rows: Rows) -> None:
        """At all rows of a chunk."""
        for name in header.missing:
            self.absent[header.version, name] += len(rows)
        for field in ALLOWED:
            for value, n in rows.text(field).tally().items():
                if not is_known(field, value):
                    self.unknown[field, value] += n
        self._look_at_ends(header, rows)
        self._look_at_months(header, rows)
        self._look_at_usage(rows)

    @property
    def sentences(self) -> list[str]:
        found = [*_by_count(self.absent, "The file has no column {}, which FOCUS {} calls mandatory ({}).")]
        found += _by_count(self.empty, "{} has no value, where FOCUS {} wants one ({}).")
        found += [
            f"{field}: “{value[:40]}” is no value of FOCUS ({_rows(n)})." for (field, value), n in self.unknown.items()
        ]
        found += [
            f"{why}: passed over ({_rows(n)}). The first says “{self.tag_texts[why][:40]}”."
            for why, n in self.tags.items()
        ]
        found += [f"{sentence} ({times:,}×)" if times > 1 else sentence for sentence, times in self.others.items()]
        if self.blank:
            found.append(f"{counted(self.blank, 'row says', 'rows say')} nothing in any cell: left out.")
        if self.shifted:
            rows = counted(self.shifted.total(), "row belongs", "rows belong")
            found.append(
                f"BillingPeriodStart “{next(iter(self.shifted))}” is in another month in UTC, in which FOCUS tells "
                f"months: {rows} there. If that is wrong, load the file with its month given (--period)."
            )
        if self.inclusive:
            found.append(
                f"The billing period ends on the last day of its month ({_rows(self.inclusive)}): FOCUS ends it on the "
                "first of the next. If this source names last days, say so in its settings."
            )
        if self.usage_billed and not self.usage_effective and self.source.basis == Source.Basis.EFFECTIVE:
            found.append("All usage was billed but has an effective cost of 0: should this source go by billed cost?")
        return found

    def pass_over(self, tags: Iterable[tuple[tuple[str, str], int]]) -> None:
        """Each as why it cannot be used, what it says, and the number of rows."""
        for (why, text), rows in tags:
            self.tags[why] += rows
            self.tag_texts.setdefault(why, text)

    def look_back(self, reader: RowReader) -> None:
        """At a file that was read to its end."""
        self.empty.update({(reader.header.version, name): rows for name, rows in reader.nulls.items() if rows})
        self.blank += reader.blank
        self.add(
            f"{name} is an older name of {column}, which the file has too: passed over."
            for name, column in reader.header.passed_over.items()
        )

    def _look_at_ends(self, header: Header, rows: Rows) -> None:
        start, end = (header.positions.get(name) for name in ("BillingPeriodStart", "BillingPeriodEnd"))
        if not self.source.has_inclusive_ends and start is not None and end is not None:
            pairs = together(rows.chunk.columns[start], rows.chunk.columns[end])
            self.inclusive += sum(n for pair, n in pairs.tally().items() if self._is_inclusive[pair])

    def _look_at_months(self, header: Header, rows: Rows) -> None:
        column = rows.chunk.columns[header.positions["BillingPeriodStart"]]
        if not self.is_placed and any(map(ZONED.search, column.values)):
            for (text, month), n in together(column, rows.months).tally().items():
                if ZONED.search(text) and text.strip()[:7] != month:
                    self.shifted[text.strip()] += n

    def _look_at_usage(self, rows: Rows) -> None:
        if self.usage_effective or "EffectiveCost" not in rows.amounts:
            return
        columns = rows.text("charge_category"), rows.amount("BilledCost"), rows.amount("EffectiveCost")
        for category, billed, effective in zip(*columns, strict=True):
            if category in ("Usage", ""):
                self.usage_billed += abs(billed or 0)
                self.usage_effective += abs(effective or 0)


def _names_the_last_day(pair: tuple[str, str]) -> bool:
    try:
        start, end = (date.fromisoformat(text.strip()[:10]) for text in pair)
    except ValueError:
        return False
    return (end.year, end.month) == (start.year, start.month) and end.day == monthrange(end.year, end.month)[1]


def _by_count(found: Counter[tuple[str, str]], sentence: str) -> list[str]:
    """One sentence for the columns that share version and number of rows."""
    together: dict[tuple[str, int], list[str]] = {}
    for (version, column), rows in found.items():
        together.setdefault((version, rows), []).append(column)
    return [sentence.format(", ".join(columns), version, _rows(rows)) for (version, rows), columns in together.items()]


def _rows(number: int) -> str:
    return counted(number, "row", "rows")
