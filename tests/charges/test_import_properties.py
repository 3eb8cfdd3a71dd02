"""What no example can say: whatever the file and whatever the sequence, nothing is lost, to the last digit."""

import csv
import gzip
import io
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from charges.importing import import_files
from charges.models import Charge, FocusImport, ImportIssue
from tests.charges.focus_files import focus_row
from tests.make import make_source

pytestmark = pytest.mark.django_db
numbers = count(1)
patient = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
COSTS = {"BilledCost": "billed_cost", "EffectiveCost": "effective_cost", "ListCost": "list_cost"}
BILLIONTH = Decimal("0.000000001")


@dataclass(frozen=True)
class Cell:
    """What is written, and the amount that it is: None for nothing. A broken one is no amount at all."""

    text: str
    amount: Decimal | None = None
    is_broken: bool = False


def written(text: str) -> Cell:
    return Cell(text, Decimal(text))


plain = st.integers(0, 18).flatmap(
    lambda places: st.decimals(-(10**9), 10**9, places=places, allow_nan=False).map(
        lambda amount: written(f"{amount:f}")
    )
)
scientific = st.builds(
    lambda digits, e, exponent: written(f"{digits}{e}{exponent}"),
    st.decimals(-1000, 1000, places=3),
    st.sampled_from("eE"),
    st.sampled_from(["-12", "-7", "-05", "0", "3", "+2"]),
)
spaced = st.builds(
    lambda before, cell, after: Cell(before + cell.text + after, cell.amount),
    st.sampled_from(["", " ", "  "]),
    plain,
    st.sampled_from([" ", "  "]),
)
odd = st.sampled_from(["0", "-0", "-0.00", "007.10", "1E-7", "0.0000000005", "0.0000000015", "-0.0000000025"]).map(
    written
)
nothing = st.sampled_from(["", "NULL", "null", "(null)", "  "]).map(Cell)
broken = st.sampled_from(
    [
        "NaN",
        "-Infinity",
        "1_000",
        "$10",
        "1,000.00",
        "1 000",
        "+1",
        ".5",
        "5.",
        "--1",
        "1e",
        "9223372037",
        "1e400",
        "2E-72222222222222222222",
        "x",
    ]
).map(lambda text: Cell(text, is_broken=True))
cells = st.one_of(plain, scientific, spaced, odd, nothing, broken)


@dataclass(frozen=True)
class Row:
    costs: dict[str, Cell]
    currency: str = "USD"
    name: str = "node-1"
    day: str = "2025-01-01"
    is_short: bool = False

    @property
    def is_readable(self) -> bool:
        """Whether its amounts can be told, whatever else is wrong."""
        return not self.is_short and not any(cell.is_broken for cell in self.costs.values())

    @property
    def is_good(self) -> bool:
        has_due = any(self.costs[name].amount is not None for name in ("EffectiveCost", "BilledCost"))
        return self.is_readable and has_due and self.day == "2025-01-01"

    def as_cells(self, source: str) -> list[str]:
        amounts = {name: cell.text for name, cell in self.costs.items()}
        row = focus_row(
            BillingCurrency=self.currency, ServiceName=source, ChargePeriodStart=self.day, ResourceName=self.name
        )
        everything = list((row | amounts).values())
        return everything[:-3] if self.is_short else everything


NAMES = list(focus_row(BillingCurrency=""))
GOOD = Row(dict.fromkeys(COSTS, written("80.000000000000000001")))
rows = st.builds(
    Row,
    st.fixed_dictionaries(dict.fromkeys(COSTS, cells)),
    currency=st.sampled_from(["USD", "USD", "EUR"]),
    name=st.sampled_from(["node-1", 'a "quoted" name', "a, list; of\tparts", "two\nlines", "Zürich ½"]),
    day=st.sampled_from(["2025-01-01", "2025-01-01", "2025-01-01", "01/31/2025"]),
    is_short=st.sampled_from([False, False, False, True]),
)


@dataclass(frozen=True)
class Form:
    """How the file is written. Only an encoding that does not show itself is declared."""

    encoding: str = "utf-8"
    separator: str = ","
    line_end: str = "\r\n"
    quoting: Any = csv.QUOTE_MINIMAL
    container: str = ".csv"

    @property
    def declared(self) -> str:
        return self.encoding if self.encoding in ("latin-1", "cp1252") else ""


forms = st.builds(
    Form,
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"]),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from([".csv", ".csv.gz", ".csv.zst", ".zip", ".parquet"]),
)


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deep/part-1.csv", content)
    return out.getvalue()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    ".csv": bytes,
    ".csv.gz": gzip.compress,
    ".csv.zst": lambda content: bytes(pa.Codec("zstd").compress(content, asbytes=True)),
    ".zip": zipped,
}


def write(path: Path, table: list[list[str]], form: Form) -> None:
    if form.container == ".parquet":
        columns = dict(zip(NAMES, zip(*table, strict=True), strict=True))
        pyarrow.parquet.write_table(pa.table({name: pa.array(column) for name, column in columns.items()}), path)
        return
    text = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if form.line_end == "\r" else form.quoting  # Python would write "two\nlines" without quotes
    writer = csv.writer(text, delimiter=form.separator, lineterminator=form.line_end, quoting=quoting)
    writer.writerows([NAMES, *table])
    path.write_bytes(PACKINGS[form.container](text.getvalue().encode(form.encoding)))


def sums(rows: Iterable[Row]) -> dict[str, dict[str, Decimal]]:
    """By currency and column, to the last digit."""
    found: dict[str, dict[str, Decimal]] = {}
    with localcontext(prec=100):
        for row in rows:
            for name, cell in row.costs.items():
                column = found.setdefault(row.currency, {})
                column[name] = column.get(name, Decimal(0)) + (cell.amount or 0)
    return found


def rounded(rows: Iterable[Row]) -> dict[tuple[str, str], Decimal]:
    """What the database holds."""
    found: Counter[tuple[str, str]] = Counter()
    with localcontext(prec=100):
        for row in rows:
            for name, cell in row.costs.items():
                found[row.currency, name] += (cell.amount or Decimal(0)).quantize(BILLIONTH, ROUND_HALF_EVEN)
    return dict(found)


def lines_of(rows: list[Row], form: Form) -> list[tuple[int, Row]]:
    """The lines on which they begin; a Parquet file has none but those of its rows."""
    heights = [1 + (row.name.count("\n") if form.container != ".parquet" else 0) for row in rows]
    return [(2 + sum(heights[:at]), row) for at, row in enumerate(rows)]


@given(st.lists(rows, max_size=8), st.integers(0, 8), forms)
@example([Row(dict.fromkeys(COSTS, Cell("5.", is_broken=True)))] * 3, 1, Form("utf-16", ";", "\r"))
@example([Row({**GOOD.costs, "ListCost": Cell("  ")}), Row(dict.fromkeys(COSTS, Cell("  ")))], 0, Form())
@settings(patient, max_examples=80)
def test_nothing_is_lost_in_any_file(tmp_path: Path, given_rows: list[Row], at: int, form: Form) -> None:
    delivered = [*given_rows[:at], GOOD, *given_rows[at:]]
    if form.container == ".parquet":
        delivered = [row for row in delivered if not row.is_short]
    source = make_source(f"source {next(numbers)}", encoding=form.declared)
    path = tmp_path / f"jan{form.container}"
    write(path, [row.as_cells(source.name) for row in delivered], form)

    dry = import_files([path], source_name=source.name, dry_run=True)
    wet = import_files([path], source_name=source.name)

    loaded = wet.focus_import
    assert wet.as_json() == dry.as_json() | {"import": loaded.pk}
    good = [row for row in delivered if row.is_good]
    bad = [(line, row) for line, row in lines_of(delivered, form) if not row.is_good]
    assert (loaded.rows, loaded.loaded, loaded.quarantined) == (len(delivered), len(good), len(bad))
    issues = ImportIssue.objects.filter(focus_import=loaded).order_by("line_number")
    assert list(issues.values_list("line_number", flat=True)) == [line for line, _ in bad]
    assert_exact(loaded, good, [row for _, row in bad if row.is_readable])


def assert_exact(loaded: FocusImport, good: list[Row], aside: list[Row]) -> None:
    expected, in_quarantine, in_file = sums(good), sums(aside), sums([*good, *aside])
    stored, held = rounded(good), held_by(loaded)
    assert loaded.totals.keys() == in_file.keys()
    for currency, columns in in_file.items():
        for name, whole in columns.items():
            total = {part: Decimal(text) for part, text in loaded.totals[currency].get(name, {}).items()}
            exact = expected.get(currency, {}).get(name, Decimal(0))
            assert total.get("file", 0) == whole
            assert total.get("loaded", 0) == exact
            assert total.get("quarantined", 0) == in_quarantine.get(currency, {}).get(name, 0)
            assert held.get((currency, name), 0) == stored.get((currency, name), 0)
            with localcontext(prec=100):
                assert stored.get((currency, name), Decimal(0)) + total.get("rounding", Decimal(0)) == exact


def held_by(loaded: FocusImport) -> dict[tuple[str, str], Decimal]:
    charges = Charge.objects.filter(loaded_by=loaded).order_by().values("billing_currency")
    return {
        (row["billing_currency"], name): row[f"sum_{field}"] or Decimal(0)
        for row in charges.annotate(**{f"sum_{field}": Sum(field) for field in COSTS.values()})
        for name, field in COSTS.items()
    }
