"""A delivery with a manifest is read whole or not at all, and of several runs of an export only the newest."""

import json
import os
from pathlib import Path

import pytest

from charges.importing import import_files
from charges.importing.reading.finding import Found, find_files
from periods.errors import Refused
from tests.charges.focus_files import focus_row, write_focus

MONTH = "BILLING_PERIOD=2025-01"
EARLIER, LATER = "f1e2d3c4-b5a6-4798-8a9b-0c1d2e3f4a5b", "0b9c1d2e-3f40-4a5b-8c6d-7e8f9a0b1c2d"


def write(path: Path, resource: str = "i-1") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_focus(path, focus_row(ResourceId=resource))


def list_files(manifest: Path, **content) -> Path:
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps(content))
    return manifest


def names(found: Found, root: Path) -> list[str]:
    return [file.relative_to(root).as_posix() for file in found.files]


def refusal_of(*given: Path) -> str:
    with pytest.raises(Refused) as refusal:
        find_files(list(given))
    return str(refusal.value)


@pytest.fixture
def aws(tmp_path):
    """A whole export of two files, as it lies in its bucket."""
    for number in (1, 2):
        write(tmp_path / "data" / MONTH / f"export-0000{number}.csv.gz", f"i-{number}")
    listed = [f"s3://bucket/exports/data/{MONTH}/export-0000{number}.csv.gz" for number in (1, 2)]
    list_files(tmp_path / "metadata" / MONTH / "export-Manifest.json", dataFiles=listed)
    return tmp_path


BOTH = [f"data/{MONTH}/export-00001.csv.gz", f"data/{MONTH}/export-00002.csv.gz"]


def test_a_delivery_with_its_manifest_is_read_whole(aws):
    found = find_files([aws])

    assert (names(found, aws), found.remarks) == (BOTH, [])


def test_the_manifest_itself_can_be_given(aws):
    write(aws / "data" / "BILLING_PERIOD=2024-12" / "export-00001.csv.gz", "old")

    found = find_files([aws / "metadata" / MONTH / "export-Manifest.json"])

    assert (names(found, aws), found.remarks) == (BOTH, [])


def test_a_delivery_that_lacks_a_listed_file_is_refused(aws):
    (aws / BOTH[1]).unlink()

    assert refusal_of(aws) == (
        "The delivery is not whole: export-Manifest.json lists 2 files, and of these are missing or cut short: export-00002.csv.gz."
    )


@pytest.mark.parametrize("part", ["data", f"data/{MONTH}", f"data/{MONTH}/*1.csv.gz", "data/*/*.gz", BOTH[0]])
def test_who_gives_the_data_alone_gets_no_half_of_it(aws, part):
    missing = aws / BOTH[1]
    found = names(find_files([aws / part]), aws) if "1.csv" not in part else None  # a part of it
    missing.unlink()

    assert found in (None, BOTH)
    assert refusal_of(aws / part) == (
        "The delivery is not whole: export-Manifest.json lists 2 files, and of these are missing or cut short: export-00002.csv.gz."
    )


@pytest.mark.parametrize("given", ["*1.csv.gz", "export-00001.csv.gz"])
def test_a_name_or_pattern_that_meets_some_of_the_listed_files_is_refused(aws, given):
    assert refusal_of(aws / "data" / MONTH / given) == (
        f"export-Manifest.json lists 2 files, and {MONTH}/export-00002.csv.gz would be left out: "
        f"give all, or the folder {aws}."
    )


def test_the_file_of_another_month_does_not_stand_in(aws):
    (aws / BOTH[1]).unlink()
    write(aws / "data" / "BILLING_PERIOD=2024-12" / "export-00002.csv.gz", "old")

    assert "missing or cut short: export-00002.csv.gz." in refusal_of(aws)


def test_one_file_does_not_stand_in_for_two(tmp_path):
    write(tmp_path / "part.csv")
    list_files(tmp_path / "manifest.json", dataFiles=["s3://b/one/part.csv", "s3://b/two/part.csv"])

    assert "lists 2 files, and of these are missing or cut short: part.csv." in refusal_of(tmp_path)


def test_a_file_that_no_manifest_lists_is_left_out_and_named(aws):
    write(aws / "data" / "old.csv", "old")

    found = find_files([aws])

    assert (names(found, aws), found.remarks) == (BOTH, ["No manifest lists data/old.csv: left out."])


def test_a_file_where_no_manifest_speaks_is_read(aws):
    write(aws.parent / "both" / "hpc" / "slurm.csv", "hpc")
    aws.rename(aws.parent / "both" / "aws")

    found = find_files([aws.parent / "both"])

    assert [file.name for file in found.files] == ["export-00001.csv.gz", "export-00002.csv.gz", "slurm.csv"]
    assert found.remarks == []


def test_the_file_of_an_earlier_run_is_left_out_wherever_it_lies(tmp_path):
    write(tmp_path / "files" / "january-1.csv", "old")
    azure_run(tmp_path, LATER, "2025-01-20T04:00:00Z", "a")
    list_files(
        tmp_path / "focus" / "20250101-20250131" / EARLIER / "manifest.json",
        exportConfig={"resourceId": "/subscriptions/1/exports/focus"},
        blobs=[{"blobName": f"container/focus/20250101-20250131/{EARLIER}/january-1.csv"}],
    )

    assert names(find_files([tmp_path]), tmp_path) == [f"focus/20250101-20250131/{LATER}/part_0_0001.csv"]


def test_a_flat_folder_needs_no_folders_of_the_bucket(tmp_path):
    write(tmp_path / "export-00001.csv.gz")
    listed = [f"s3://bucket/exports/data/{MONTH}/export-00001.csv.gz"]
    list_files(tmp_path / "export-Manifest.json", dataFiles=listed)

    assert names(find_files([tmp_path]), tmp_path) == ["export-00001.csv.gz"]


def test_runs_of_aws_are_told_by_their_folders(tmp_path):
    for run in ("2025-01-20T12:00:00.000Z-" + EARLIER, "2025-01-09T12:00:00.000Z-" + LATER):
        write(tmp_path / "data" / MONTH / run / "export-00001.csv.gz", run)
        listed = [f"s3://bucket/e/data/{MONTH}/{run}/export-00001.csv.gz"]
        list_files(tmp_path / "metadata" / MONTH / run / "export-Manifest.json", dataFiles=listed)

    found = find_files([tmp_path])

    assert [file.parent.name[:10] for file in found.files] == ["2025-01-20"]
    assert found.remarks == [
        f"2025-01-09T12:00:00.000Z-{LATER}/export-Manifest.json is of an earlier run of the same export: left out."
    ]


def test_the_older_reports_of_aws_name_their_run_in_the_month(tmp_path):
    month = tmp_path / "20250101-20250201"
    for run in ("20250103T081120Z", "20250105T165709Z"):
        write(month / run / "report-1.csv.gz", run)
        keys = [f"prefix/report/20250101-20250201/{run}/report-1.csv.gz"]
        list_files(month / run / "report-Manifest.json", reportKeys=keys)
    list_files(month / "report-Manifest.json", reportKeys=keys)

    found = find_files([tmp_path])

    assert names(found, month) == ["20250105T165709Z/report-1.csv.gz"]
    assert found.remarks == ["20250103T081120Z/report-Manifest.json is of an earlier run of the same export: left out."]


@pytest.mark.parametrize("twelve", ["111122223333", "444455556666"])
def test_accounts_are_no_runs(tmp_path, twelve):
    for account in (twelve, "777788889999"):
        write(tmp_path / account / "data" / MONTH / "e-1.csv", account)
        listed = [f"s3://bucket/{account}/data/{MONTH}/e-1.csv"]
        list_files(tmp_path / account / "metadata" / MONTH / "e-Manifest.json", dataFiles=listed)

    found = find_files([tmp_path])

    assert (len(found.files), found.remarks) == (2, [])


# Azure


def azure_run(
    folder: Path, run: str, submitted: str, *resources: str, days: str = "20250101-20250131", export: str = "focus"
) -> Path:
    path = folder / export / days / run
    path.mkdir(parents=True)
    part = write_focus(path / "part_0_0001.csv", *(focus_row(ResourceId=name) for name in resources))
    return list_files(
        path / "manifest.json",
        exportConfig={"exportName": export, "resourceId": f"/subscriptions/1/exports/{export}"},
        runInfo={"submittedTime": submitted},
        blobs=[
            {
                "blobName": f"container/{export}/{days}/{run}/part_0_0001.csv",
                "byteCount": part.stat().st_size,
                "dataRowCount": len(resources),
            }
        ],
    )


def test_of_several_runs_of_an_export_the_newest_counts(tmp_path):
    azure_run(tmp_path, LATER, "2025-01-20T04:00:00.8190000Z", "a", "b")
    azure_run(tmp_path, EARLIER, "2025-01-05T04:00:00.1230000Z", "a")

    found = find_files([tmp_path])

    assert names(found, tmp_path) == [f"focus/20250101-20250131/{LATER}/part_0_0001.csv"]
    assert found.remarks == [f"{EARLIER}/manifest.json is of an earlier run of the same export: left out."]


def test_an_earlier_run_need_not_be_whole(tmp_path):
    azure_run(tmp_path, LATER, "2025-01-20T04:00:00Z", "a", "b")
    earlier = azure_run(tmp_path, EARLIER, "2025-01-05T04:00:00Z", "a")
    (earlier.parent / "part_0_0001.csv").unlink()

    assert names(find_files([tmp_path]), tmp_path) == [f"focus/20250101-20250131/{LATER}/part_0_0001.csv"]


def test_the_file_of_an_earlier_run_does_not_stand_in(tmp_path):
    later = azure_run(tmp_path, LATER, "2025-01-20T04:00:00Z", "a")
    azure_run(tmp_path, EARLIER, "2025-01-05T04:00:00Z", "b")
    (later.parent / "part_0_0001.csv").unlink()

    assert "missing or cut short: part_0_0001.csv." in refusal_of(tmp_path)


def test_a_run_that_is_still_written_has_no_manifest_and_waits(tmp_path):
    azure_run(tmp_path, EARLIER, "2025-01-05T04:00:00Z", "a")
    azure_run(tmp_path, LATER, "2025-01-20T04:00:00Z", "a", "b").unlink()

    found = find_files([tmp_path])

    assert names(found, tmp_path) == [f"focus/20250101-20250131/{EARLIER}/part_0_0001.csv"]
    assert found.remarks == [f"No manifest lists {LATER}/part_0_0001.csv: left out."]


def test_month_to_date_ranges_of_one_month_are_one_month(tmp_path):
    azure_run(tmp_path, EARLIER, "2025-01-05T04:00:00Z", "a", days="20250101-20250105")
    azure_run(tmp_path, LATER, "2025-01-20T04:00:00Z", "a", "b", days="20250101-20250120")

    assert names(find_files([tmp_path]), tmp_path) == [f"focus/20250101-20250120/{LATER}/part_0_0001.csv"]


def test_other_months_and_exports_are_read_beside(tmp_path):
    azure_run(tmp_path, EARLIER, "2025-01-05T04:00:00Z", "a")
    azure_run(tmp_path, LATER, "2025-02-20T04:00:00Z", "b", days="20250201-20250228")
    azure_run(tmp_path, EARLIER, "2025-02-20T04:00:00Z", "c", export="other")

    found = find_files([tmp_path])

    assert (len(found.files), found.remarks) == (3, [])


def test_without_any_time_the_younger_manifest_counts(tmp_path):
    for run, written in ((LATER, 1_000), (EARLIER, 2_000)):
        manifest = azure_run(tmp_path, run, "", run)
        os.utime(manifest, (written, written))

    assert names(find_files([tmp_path]), tmp_path) == [f"focus/20250101-20250131/{EARLIER}/part_0_0001.csv"]


def test_a_listed_file_that_is_cut_short_is_refused(tmp_path):
    part = azure_run(tmp_path, LATER, "2025-01-20T04:00:00Z", "a", "b").parent / "part_0_0001.csv"
    part.write_bytes(part.read_bytes()[:-10])

    assert "missing or cut short: part_0_0001.csv." in refusal_of(tmp_path)


@pytest.mark.parametrize("count", [5, "5", "0005"])
def test_a_size_may_be_written_as_text(tmp_path, count):
    write(tmp_path / "part.csv")
    list_files(tmp_path / "manifest.json", blobs=[{"blobName": "part.csv", "byteCount": count}])

    assert "missing or cut short: part.csv." in refusal_of(tmp_path)


@pytest.mark.parametrize("count", [None, "", "many", "9" * 5000, "-1"])
def test_a_size_that_says_nothing_is_passed_over(tmp_path, count):
    write(tmp_path / "part.csv")
    list_files(tmp_path / "manifest.json", blobs=[{"blobName": "part.csv", "byteCount": count}])

    assert names(find_files([tmp_path]), tmp_path) == ["part.csv"]


def test_one_of_two_files_of_azure_is_refused_and_both_are_not(tmp_path):
    one, other = (write(tmp_path / f"part_{number}_0001.csv") for number in "01")
    list_files(tmp_path / "manifest.json", blobs=[{"blobName": f"container/{file.name}"} for file in (one, other)])

    assert refusal_of(one) == (
        f"manifest.json lists 2 files, and {tmp_path.name}/part_1_0001.csv would be left out: give all, or the folder "
        f"{tmp_path}."
    )
    assert find_files([one, other]).files == [one, other]


def test_a_file_that_is_named_needs_no_manifest(tmp_path):
    earlier = azure_run(tmp_path, EARLIER, "2025-01-05T04:00:00Z", "a").parent / "part_0_0001.csv"
    azure_run(tmp_path, LATER, "2025-01-20T04:00:00Z", "a", "b")

    assert find_files([earlier]) == Found([earlier], [])


# Manifests of no use


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[" * 100_000,
        '{"dataFiles": "x"}',
        '{"dataFiles": [1]}',
        '{"dataFiles": ["/"]}',
        '{"blobs": [1]}',
        '{"blobs": [{"blobName": 3}]}',
        '{"blobs": [{}]}',
    ],
)
def test_an_unreadable_manifest_is_refused(tmp_path, content):
    write(tmp_path / "a.csv")
    (tmp_path / "manifest.json").write_text(content)

    assert refusal_of(tmp_path) == "manifest.json is no readable manifest."


def test_a_manifest_of_absurd_size_is_refused(tmp_path):
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(100_000_000)

    assert refusal_of(tmp_path) == "manifest.json is too large for a manifest."


@pytest.mark.parametrize("content", ["[1]", "{}", '{"name": "a web application"}'])
def test_a_manifest_that_lists_nothing_is_none(tmp_path, content):
    write(tmp_path / "a.csv")
    manifest = tmp_path / "manifest.json"
    manifest.write_text(content)

    assert names(find_files([tmp_path]), tmp_path) == ["a.csv"]
    assert refusal_of(manifest) == "manifest.json lists no files."


def test_a_manifest_reaches_for_nothing_outside_its_folder(tmp_path):
    write(tmp_path / "secret.csv")
    list_files(tmp_path / "inbox" / "manifest.json", dataFiles=["../secret.csv", "/etc/passwd"])

    assert "missing or cut short: secret.csv, passwd." in refusal_of(tmp_path / "inbox")


# Folders and patterns


def test_folders_are_searched_downwards_and_nothing_hidden_is_read(tmp_path):
    for name in ("b/c/2.csv.gz", "1.CSV", ".trash/3.csv", "b/.4.csv", "__MACOSX/5.csv", "read.me"):
        write(tmp_path / name, name)
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "same.csv").symlink_to(tmp_path / "1.CSV")
    (tmp_path / "nowhere.csv").symlink_to(tmp_path / "nowhere.csv")

    assert names(find_files([tmp_path]), tmp_path) == ["1.CSV", "b/c/2.csv.gz"]


def test_a_pattern_meets_files_and_folders(aws):
    write(aws / "more" / "a.txt", "a")
    write(aws / "more" / "b.csv", "b")

    assert names(find_files([aws / "more" / "*.txt"]), aws) == ["more/a.txt"]
    assert names(find_files([aws / "mo*"]), aws) == ["more/b.csv"]
    assert names(find_files([aws / "**"]), aws) == BOTH


def test_a_file_given_twice_is_read_once(tmp_path):
    write(tmp_path / "a.csv")

    assert names(find_files([tmp_path, tmp_path / "a.csv", tmp_path / "*.csv"]), tmp_path) == ["a.csv"]


def test_a_folder_without_files_is_refused(tmp_path):
    assert refusal_of(tmp_path) == (
        f"There is no FOCUS file at {tmp_path}: give a .csv (also .gz or .zst), .zip or .parquet file, a folder, "
        "or a pattern."
    )


@pytest.mark.django_db
@pytest.mark.parametrize("is_dry", [True, False])
def test_a_file_with_fewer_rows_than_its_manifest_says_is_not_whole(tmp_path, is_dry):
    write(tmp_path / "part.csv")
    list_files(tmp_path / "manifest.json", blobs=[{"blobName": "part.csv", "dataRowCount": 2}])

    with pytest.raises(Refused) as refusal:
        import_files([tmp_path], source_name="azure", dry_run=is_dry)

    assert str(refusal.value) == "part.csv has 1 rows, and 2 in its manifest: it is not whole."
    list_files(tmp_path / "manifest.json", blobs=[{"blobName": "part.csv", "dataRowCount": 1}])
    assert import_files([tmp_path], source_name="azure", dry_run=is_dry).loaded == 1
