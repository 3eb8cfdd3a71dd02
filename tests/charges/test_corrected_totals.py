"""Whatever is corrected, discarded and delivered again: an import's control totals say what its file said."""

from collections import defaultdict
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charges.importing import correct_row, discard_issues, import_files
from charges.models import Charge, FocusImport, ImportIssue
from tests.charges.focus_files import focus_row, write_focus

pytestmark = pytest.mark.django_db
numbers = count(1)
patient = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
COSTS = ("ListCost", "ContractedCost", "BilledCost", "EffectiveCost")
REASON = "As on the provider's invoice"
Sums = dict[str, Decimal]


class Line(NamedTuple):
    currency: str
    cost: str
    start: str

    @property
    def row(self) -> dict[str, str]:
        return focus_row(BillingCurrency=self.currency, ChargePeriodStart=self.start, **dict.fromkeys(COSTS, self.cost))

    @property
    def is_counted(self) -> bool:
        return self.cost[0] != "$" and len(self.currency) == 3

    @property
    def is_good(self) -> bool:
        return self.is_counted and self.start == "2025-01-01"


lines = st.builds(
    Line,
    st.sampled_from(["USD", "EUR", "DOLLARS"]),
    st.sampled_from(["1", "2.5", "0.0000000001", "-3", "$4"]),
    st.sampled_from(["2025-01-01", "01/02/2025"]),
)
good = lines.filter(lambda line: line.is_good)
decisions = st.lists(st.tuples(st.integers(0, 5), st.none() | good), max_size=4)


def file_sums(delivered: list[Line]) -> Sums:
    sums: Sums = defaultdict(Decimal)
    for line in delivered:
        if line.is_counted:
            sums[line.currency] += Decimal(line.cost)
    return {currency: total for currency, total in sums.items() if total}


def assert_equation(focus_import: FocusImport, delivered: list[Line]) -> None:
    focus_import.refresh_from_db()
    assert focus_import.rows == len(delivered) == focus_import.loaded + focus_import.quarantined + focus_import.late
    for column in COSTS:
        parts = {currency: of[column] for currency, of in focus_import.totals.items() if column in of}
        numbers_of = {c: {name: Decimal(text) for name, text in of.items()} for c, of in parts.items()}
        assert {c: of["file"] for c, of in numbers_of.items() if of["file"]} == file_sums(delivered)
        for of in numbers_of.values():
            corrected, late = of.get("corrected", 0), of.get("late", 0)
            assert of["file"] == of["loaded"] + of["quarantined"] + late - corrected
    held = Charge.objects.current().filter(source=focus_import.source)
    stored = {c: due for c, due in held.values_list("billing_currency").annotate(Sum("billed_cost")) if due}
    loaded = {c: Decimal(of["BilledCost"]["loaded"]) for c, of in focus_import.totals.items()}
    rounding = {c: Decimal(of["BilledCost"]["rounding"]) for c, of in focus_import.totals.items()}
    assert stored == {c: total - rounding[c] for c, total in loaded.items() if total != rounding[c]}
    issues = ImportIssue.objects.filter(focus_import=focus_import)
    assert focus_import.quarantined == issues.exclude(status="corrected").count()


@given(st.lists(st.tuples(st.lists(lines, min_size=1, max_size=5), decisions), min_size=1, max_size=4))
@settings(patient, max_examples=40)
def test_any_mix_of_deliveries_and_decisions_adds_up(tmp_path: Path, steps: list) -> None:
    source = f"source {next(numbers)}"
    anchor = Line("USD", "7", "2025-01-01")  # so that there is always a row to load
    for some, decided in steps:
        delivered = [anchor, *some]
        path = write_focus(tmp_path / "a.csv", *(line.row | {"ResourceName": source} for line in delivered))
        focus_import = import_files([path], source_name=source).focus_import
        assert focus_import
        assert_equation(focus_import, delivered)
        for place, replacement in decided:
            open_ones = list(ImportIssue.objects.filter(focus_import=focus_import, status="open"))
            if open_ones:
                decide(open_ones[place % len(open_ones)], replacement)
                assert_equation(focus_import, delivered)


def decide(issue: ImportIssue, replacement: Line | None) -> None:
    if replacement is None:
        discard_issues(ImportIssue.objects.filter(pk=issue.pk), reason=REASON)
    else:
        correct_row(issue, correction=replacement.row, reason=REASON)


def test_a_row_is_corrected_into_another_currency(tmp_path: Path) -> None:
    path = write_focus(tmp_path / "a.csv", focus_row(), Line("EUR", "5", "01/02/2025").row)
    focus_import = import_files([path], source_name="aws").focus_import
    assert focus_import

    decide(ImportIssue.objects.get(), Line("USD", "5", "2025-01-01"))

    focus_import.refresh_from_db()
    assert focus_import.totals["EUR"]["BilledCost"] == {
        "file": "5", "loaded": "0", "quarantined": "0", "rounding": "0", "corrected": "-5",
    }  # fmt: skip
    assert focus_import.totals["USD"]["BilledCost"] == {
        "file": "80.00", "loaded": "85.00", "quarantined": "0", "rounding": "0", "corrected": "5",
    }  # fmt: skip


def test_the_decision_holds_though_the_file_has_a_new_empty_column(tmp_path: Path) -> None:
    bad = Line("USD", "$5", "2025-01-01").row
    import_files([write_focus(tmp_path / "a.csv", focus_row(), bad)], source_name="aws")
    decide(ImportIssue.objects.get(), Line("USD", "5", "2025-01-01"))

    anew = bad | {"x_New": "", "BillingPeriodStart": "2025-01-01T00:00Z", "BillingPeriodEnd": "2025-02-01 00:00:00"}
    again = import_files([write_focus(tmp_path / "b.csv", focus_row(x_New=""), anew)], source_name="aws")

    assert (again.loaded, again.quarantined) == (2, 0)
