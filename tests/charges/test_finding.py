"""What lies in a folder beside billing files: nothing hangs, nothing that may matter is passed over."""

import os
from pathlib import Path

import pytest

from charges.importing.reading.finding import Found, find_files
from periods.errors import Refused


def test_a_pipe_is_no_billing_file(tmp_path: Path) -> None:
    pipe = tmp_path / "a.csv"
    os.mkfifo(pipe)
    with pytest.raises(Refused, match="There is no FOCUS file at"):
        find_files([pipe])


def test_a_name_that_no_disk_holds_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read: File name too long"):
        find_files([tmp_path / ("a" * 300 + ".csv")])


def test_what_a_disk_puts_aside_is_left_alone(tmp_path: Path) -> None:
    for folder in ("lost+found", "january"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text("BilledCost\n")
    assert find_files([tmp_path]) == Found([tmp_path / "january" / "a.csv"], [])


def test_what_is_no_billing_file_by_its_name_is_told(tmp_path: Path) -> None:
    for name in ("a.csv", "b.tsv", "bill.xlsx"):
        (tmp_path / name).write_text("BilledCost\n")
    assert find_files([tmp_path]) == Found(
        [tmp_path / "a.csv"],
        [f"{tmp_path.name}/b.tsv, {tmp_path.name}/bill.xlsx: no billing file by its name, left out."],
    )


@pytest.mark.parametrize("twin", ["jan.csv.gz", "jan.parquet", "JAN.CSV.ZST", "jan.zip"])
def test_a_file_in_two_forms_would_be_billed_twice(tmp_path: Path, twin: str) -> None:
    for name in ("jan.csv", twin):
        (tmp_path / name).write_text("BilledCost\n")

    with pytest.raises(Refused, match="seem to be one file in two forms, and would be billed twice"):
        find_files([tmp_path])


def test_the_same_name_in_two_folders_is_two_files(tmp_path: Path) -> None:
    files = [tmp_path / account / "jan.csv" for account in ("1", "2")]
    write(*files)

    assert find_files([tmp_path]).files == files


AWS = "data/BILLING_PERIOD=2025-01"
AZURE = "focus/20250101-20250131"
FIRST, SECOND = "0bb1ec79-0f0a-4b53-b8ae-0a3e8d4e2c11", "6a1c2f9e-54d7-4a60-9f3d-5d3b7a1e9b22"


@pytest.mark.parametrize(
    "runs",
    [(f"{AWS}/2025-01-05T03-00-00Z-{FIRST}", f"{AWS}/2025-01-06T03-00-00Z-{SECOND}"),
     (f"{AZURE}/{FIRST}", f"{AZURE}/{SECOND}"),
     ("focus/20250701-20250705", "focus/20250701-20250706"),
     (f"focus/20250701-20250705/{FIRST}", f"focus/20250701-20250706/{SECOND}")],
)  # fmt: skip
def test_two_runs_without_a_manifest_are_no_delivery(tmp_path: Path, runs: tuple[str, str]) -> None:
    write(*(tmp_path / run / "part.csv.gz" for run in runs))

    with pytest.raises(Refused, match="holds several runs of an export, and no manifest says which one counts"):
        find_files([tmp_path])
    assert find_files([tmp_path / runs[1]]).files == [tmp_path / runs[1] / "part.csv.gz"]


def test_ranges_of_two_months_are_two_deliveries(tmp_path: Path) -> None:
    files = [tmp_path / "focus" / days / FIRST / "part.csv" for days in ("20250701-20250731", "20250801-20250805")]
    write(*files)

    assert find_files([tmp_path]).files == files


def test_folders_of_subscriptions_are_no_runs(tmp_path: Path) -> None:
    files = [tmp_path / subscription / "jan.csv" for subscription in (FIRST, SECOND)]
    write(*files)

    assert find_files([tmp_path]).files == files


def write(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("BilledCost\n")
