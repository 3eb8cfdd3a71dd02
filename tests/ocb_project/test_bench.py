"""What the bench measures must not change by itself; the figures it prints are nobody's promise."""

import csv
import sys

import pytest
from django.core.management import CommandError, call_command

from ocb_project.bench.measuring import Usage, manage, run
from ocb_project.bench.month import write_month
from periods.errors import Refused


def test_the_same_arguments_write_the_same_bytes(tmp_path):
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    write_month(first, rows=50)
    write_month(second, rows=50)
    assert first.read_bytes() == second.read_bytes()


def test_rows_are_as_wide_as_a_cloud_writes_them(tmp_path):
    file = tmp_path / "month.csv"
    write_month(file, rows=1_800, projects=600)
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows[0]) == 38
    assert 650 < file.stat().st_size / len(rows) < 750
    assert len({row["SubAccountId"] for row in rows}) == 600


def test_one_row_in_a_hundred_changes(tmp_path):
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    write_month(before, rows=1_000)
    write_month(after, rows=1_000, changed_every=100)
    pairs = zip(before.read_text().splitlines(), after.read_text().splitlines(), strict=True)
    assert sum(one != other for one, other in pairs) == 10


def test_the_stock_resource_loads_the_whole_file(tmp_path):
    write_month(tmp_path / "few.csv", rows=20)
    usage = run([sys.executable, "-m", "ocb_project.bench.stock", str(tmp_path / "few.csv")], OCB_HOME=str(tmp_path))
    assert usage.cpu > 0


def test_a_command_that_fails_is_no_measurement(tmp_path):
    with pytest.raises(Refused):
        manage("import_focus", "absent.csv", home=tmp_path)


def test_usage_is_of_the_command_alone(tmp_path):
    usage = manage("version", home=tmp_path)
    assert isinstance(usage, Usage)
    assert 0 < usage.cpu < 60
    assert 10 < usage.peak < 1_000


@pytest.mark.parametrize("few", [{"rows": 1}, {"statements": 2}])
def test_what_measures_the_start_cannot_be_measured_itself(few):
    with pytest.raises(CommandError) as refusal:
        call_command("bench", **few)

    assert str(refusal.value) == "Measure more than one row and 2 statements: that many measure the start."
