"""Files that are a little odd: said in words, or read as they were meant; never taken for something else."""

import json
import zipfile
from pathlib import Path

import pytest

from charges.importing import Delivery, import_files
from charges.importing.reading import opening as reading
from charges.importing.reading import text
from charges.models import Charge, ImportIssue, Source
from periods.errors import Refused
from tests.charges.focus_files import focus_row, write_focus

pytestmark = pytest.mark.django_db


def load(path: Path, source: str = "aws", **options) -> Delivery:
    return import_files([path], source_name=source, **options)


def text_of(path: Path, *rows: dict) -> str:
    return write_focus(path, *rows).read_text()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_line_that_names_the_separator_is_no_header(tmp_path, separator):
    path = write_focus(tmp_path / "a.csv", focus_row(), focus_row(BilledCost="x"), separator=separator)
    path.write_text(f"sep={separator}\n{path.read_text()}")

    delivery = load(path)

    assert (delivery.loaded, [issue.line_number for issue in delivery.issues]) == (1, [4])


def test_a_spreadsheet_is_told_how_to_be_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "jan.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")

    with pytest.raises(Refused, match=r"jan\.xlsx is a spreadsheet: save it as CSV, and deliver that\."):
        load(tmp_path / "jan.xlsx")


def test_a_line_of_nothing_but_separators_is_no_row(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "STEP", 1)
    monkeypatch.setattr(text, "MOST_CELLS", 1000)
    path = write_focus(tmp_path / "a.csv", focus_row())
    path.write_text(path.read_text() + "," * 1001 + "\n")

    with pytest.raises(Refused, match=r"a\.csv holds a line of more than 1,000 cells: that is no billing row\."):
        load(path)


def chunks_of(path: Path) -> list[list[int]]:
    with reading.open_rows(path, path.name) as (_, chunks):
        return [list(chunk.lines) for chunk in chunks]


def test_a_chunk_of_much_text_ends_early(tmp_path, monkeypatch):
    path = write_focus(tmp_path / "a.csv", focus_row())
    path.write_text(path.read_text() + f"{',' * 3000}\n{',' * 3000}\n1,2\n1,{'x' * 5000}\n1,2\n")
    assert chunks_of(path) == [[2, 3, 4, 5, 6, 7]]

    monkeypatch.setattr(text, "STEP", 1)
    monkeypatch.setattr(text, "HEAVY", 4000)

    assert chunks_of(path) == [[2, 3, 4], [5, 6], [7]]


def test_a_row_of_lines_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "STEP", 1)
    monkeypatch.setattr(text, "HEAVY", 1000)
    path = write_focus(tmp_path / "a.csv", focus_row())
    path.write_text(path.read_text() + '"x\n",' * 1000)

    with pytest.raises(Refused) as refusal:
        load(path)

    assert str(refusal.value) == "a.csv holds a row of more than 1,000 characters: that is no billing row."


def test_of_cells_without_a_column_some_are_kept(tmp_path):
    path = write_focus(tmp_path / "a.csv", focus_row())
    header = path.read_text().splitlines()[0].count(",") + 1
    path.write_text(path.read_text() + "x" + "," * 5000 + "\n")

    [issue] = load(path).issues

    assert len(issue.raw_row) == header + 100
    assert issue.sentence == f"The row has 5001 cells, the header {header}."


@pytest.fixture
def archive(tmp_path):
    def pack(listed: list[str], *members: str) -> Path:
        with zipfile.ZipFile(tmp_path / "jan.zip", "w") as file:
            file.writestr("manifest.json", json.dumps({"blobs": [{"blobName": name} for name in listed]}))
            for name in members:
                file.writestr(name, text_of(tmp_path / "one.csv", focus_row(ResourceId=name)))
        return tmp_path / "jan.zip"

    return pack


def test_a_manifest_in_an_archive_lists_all_that_must_be_there(archive):
    with pytest.raises(Refused) as refusal:
        load(archive(["a/part1.csv", "a/part2.csv"], "a/part1.csv"))

    assert str(refusal.value) == (
        "The delivery is not whole: manifest.json lists 2 files, and of these are missing or cut short: part2.csv."
    )


def test_what_the_manifest_in_an_archive_does_not_list_is_left_out(archive):
    delivery = load(archive(["a/part1.csv"], "a/part1.csv", "a/old.csv"))

    assert (delivery.rows, [charge.resource_id for charge in Charge.objects.all()]) == (1, ["a/part1.csv"])
    assert [remark for remark in delivery.warnings if "left out" in remark] == [
        "jan.zip/a/old.csv is in no manifest: left out.",
    ]


@pytest.mark.parametrize("encoding", ["", "latin-1"])
@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "jan is a spreadsheet: save it as CSV, and deliver that."),
        (
            b"%PDF-1.4 \xe2",
            "jan is a PDF document, not billing data: export the same as CSV or Parquet, and deliver that.",
        ),
    ],
)
def test_a_document_is_told_how_to_be_read(tmp_path, encoding, start, sentence):
    Source.objects.create(name="aws", encoding=encoding)
    (tmp_path / "jan").write_bytes(start + bytes(500))

    with pytest.raises(Refused) as refusal:
        load(tmp_path / "jan")

    assert str(refusal.value) == sentence


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_damaged_manifest_in_an_archive_is_said_so(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "jan.zip", "w", method) as file:
        file.writestr("manifest.json", json.dumps({"blobs": [{"blobName": "a.csv"}]}))
        data_end = file.fp.tell()
        file.writestr("a.csv", text_of(tmp_path / "a.csv", focus_row()))
    data = bytearray((tmp_path / "jan.zip").read_bytes())
    data[data_end - 8] ^= 1
    (tmp_path / "jan.zip").write_bytes(data)

    with pytest.raises(Refused) as refusal:
        load(tmp_path / "jan.zip")

    assert str(refusal.value) == "jan.zip is a damaged or incomplete zip archive."


def test_headers_alone_are_billed_twice_by_nobody(tmp_path):
    header = text_of(tmp_path / "a.csv", focus_row()).splitlines()[0] + "\n"
    (tmp_path / "empty.csv").write_text(header)
    for source in ("aws", "azure"):
        write = write_focus(tmp_path / f"{source}.csv", focus_row(ResourceId=source))
        assert import_files([write, tmp_path / "empty.csv"], source_name=source).loaded == 1

    with pytest.raises(Refused) as refusal:
        load(tmp_path / "empty.csv", "gcp")
    assert str(refusal.value) == "There is no row below the header of empty.csv: nothing to load."


def test_headers_alone_are_counted(tmp_path):
    for name in ("a.csv", "b.csv"):
        header, _ = text_of(tmp_path / name, focus_row(**{f"x_{name}": ""})).splitlines()
        (tmp_path / name).write_text(header)

    with pytest.raises(Refused) as refusal:
        load(tmp_path)

    assert str(refusal.value) == "There is no row below the header of any of 2 files: nothing to load."


def test_a_source_is_one_in_capitals_and_in_small_letters(tmp_path):
    path = write_focus(tmp_path / "a.csv", focus_row())
    load(path, "AWS")

    assert load(path, "aws").is_repeated
    assert [source.name for source in Source.objects.all()] == ["AWS"]


def test_an_empty_new_name_does_not_hide_the_old_one(tmp_path):
    rows = [
        focus_row(ProviderName="Microsoft", ServiceProviderName=name, ResourceId=name or "old")
        for name in ("", "Azure")
    ]
    load(write_focus(tmp_path / "a.csv", *rows))

    assert sorted(Charge.objects.values_list("provider_name", flat=True)) == ["Azure", "Microsoft"]


def remarks(delivery: Delivery, *words: str) -> list[str]:
    return [remark for remark in delivery.warnings if any(word in remark for word in words)]


def test_an_end_date_that_is_none_is_told(tmp_path):
    rows = [focus_row({"end_date": "31/12/2024"}, ResourceId=str(n)) for n in range(2)]

    assert remarks(load(write_focus(tmp_path / "a.csv", *rows, focus_row())), "end_date") == [
        "The tag end_date is no date as 2025-12-31 is one: passed over (2 rows). The first says “31/12/2024”."
    ]


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ('{"pi_email": "ada@exa', 'Tags are neither JSON nor key=value text: passed over (1 row). The first says “{"pi_email": "ada@exa”.'),
        ("ada", "Tags are neither JSON nor key=value text: passed over (1 row). The first says “ada”."),
        ({"fund_org": "F" * 101}, f"The tag fund_org has more than 100 characters: passed over (1 row). The first says “{'F' * 40}”."),
    ],
)  # fmt: skip
def test_tags_that_cannot_be_used_are_told(tmp_path, tags, told):
    assert remarks(load(write_focus(tmp_path / "a.csv", focus_row(tags), focus_row(ResourceId="b"))), "assed over") == [
        told
    ]


@pytest.mark.parametrize("tags", ["", "{}", "[]", "null"])
def test_no_tags_are_no_remark(tmp_path, tags):
    assert (
        remarks(load(write_focus(tmp_path / "a.csv", focus_row(tags), focus_row(ResourceId="b"))), "assed over") == []
    )


def test_rows_without_a_word_are_no_rows(tmp_path):
    path = write_focus(tmp_path / "a.csv", focus_row())
    width = path.read_text().splitlines()[0].count(",")
    path.write_text(path.read_text() + "\n" + "," * width + "\n" + " ," * width + "\n,,\n")

    delivery = load(path)

    assert (delivery.rows, delivery.loaded, delivery.quarantined) == (1, 1, 0)
    assert remarks(delivery, "any cell") == ["3 rows say nothing in any cell: left out."]


def test_a_month_that_is_another_in_utc_is_told(tmp_path):
    east = focus_row(BillingPeriodStart="2025-02-01T00:00:00+02:00")
    delivery = load(write_focus(tmp_path / "a.csv", east, focus_row(BillingPeriodStart="2025-01-01T06:00:00+06:00")))

    assert delivery.periods == ["2025-01"]
    [remark] = remarks(delivery, "in UTC")
    assert remark == (
        "BillingPeriodStart “2025-02-01T00:00:00+02:00” is in another month in UTC, in which FOCUS tells months: "
        "1 row belongs there. If that is wrong, load the file with its month given (--period)."
    )


def test_a_column_that_is_there_under_an_older_name_too_is_told(tmp_path):
    delivery = load(write_focus(tmp_path / "a.csv", focus_row(EffectiveCost="3", AmortizedCost="4")))

    assert delivery.totals["USD"]["EffectiveCost"]["file"] == "3"
    assert remarks(delivery, "older name") == [
        "AmortizedCost is an older name of EffectiveCost, which the file has too: passed over."
    ]


def test_a_currency_that_is_none_is_told_as_it_is_written(tmp_path):
    [issue] = load(write_focus(tmp_path / "a.csv", focus_row(), focus_row(BillingCurrency="Dollar"))).issues

    assert (issue.column, issue.raw_value) == ("BillingCurrency", "Dollar")


def test_empty_cells_beside_bad_rows_are_counted_once(tmp_path):
    rows = [focus_row(BillingCurrency="" if n == 0 else "USD", ResourceId=str(n)) for n in range(8)]
    bad = focus_row(BillingCurrency="USD", EffectiveCost="x")

    assert remarks(load(write_focus(tmp_path / "a.csv", *rows, bad)), "no value") == [
        "BillingCurrency has no value, where FOCUS 1.0 wants one (1 row)."
    ]


def test_usage_without_an_effective_cost_column_is_no_oddity(tmp_path):
    row = focus_row(EffectiveCost=None)

    assert remarks(load(write_focus(tmp_path / "a.csv", row)), "effective cost of 0") == []


def test_a_dry_run_leaves_the_source_as_it_is(tmp_path):
    Source.objects.create(name="oci")
    path = write_focus(tmp_path / "a.csv", focus_row(oci_ReferenceNumber="1"))

    load(path, "oci", dry_run=True)

    assert Source.objects.get().delivery == "snapshot"


def test_an_account_with_a_nul_character_is_put_aside_on_every_database(tmp_path):
    load(write_focus(tmp_path / "a.csv", focus_row(BillingAccountId="a"), focus_row(BillingAccountId="b\x00")))

    assert ImportIssue.objects.get().billing_account_id == "b�"
