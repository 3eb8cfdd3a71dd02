"""What providers really send goes in as it is: packed, in archives, as Parquet, in other encodings, with manifests."""

import csv
import gzip
import io
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from charges.importing import Delivery, import_files, reading
from charges.models import Charge, ImportIssue, ReceivedFile, Source
from periods.errors import Refused
from tests.charges.focus_files import focus_row

pytestmark = pytest.mark.django_db


def text_of(*rows: dict, separator: str = ",") -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def three() -> str:
    return text_of(*(focus_row(ResourceId=f"i-{n}", EffectiveCost=f"{n}.50") for n in (1, 2, 3)))


def load(*paths: Path, **options) -> Delivery:
    return import_files(list(paths), source_name="aws", **options)


def loaded() -> list[tuple[str, Decimal]]:
    return list(Charge.objects.current().order_by("resource_id").values_list("resource_id", "due_amount"))


THREE = [("i-1", Decimal("1.5")), ("i-2", Decimal("2.5")), ("i-3", Decimal("3.5"))]


def zstandard(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.csv", bytes),
        ("a.csv.gz", gzip.compress),
        ("a.csv", gzip.compress),
        ("a.csv.zst", zstandard),
        ("a.csv.gz", lambda data: gzip.compress(data[:200]) + gzip.compress(data[200:])),
        ("a.csv.zst", lambda data: zstandard(data[:200]) + zstandard(data[200:])),
    ],
)
def test_packed_files_are_told_by_their_content(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(three().encode()))

    load(tmp_path / name)

    assert loaded() == THREE


@pytest.mark.parametrize(("name", "pack"), [("a.csv.gz", gzip.compress), ("a.csv.zst", zstandard)])
def test_a_packed_file_that_ends_too_early_is_refused(tmp_path, name, pack):
    text = text_of(*(focus_row(ResourceId=f"i-{n * 7919 % 10007}") for n in range(3000)))
    (tmp_path / name).write_bytes(pack(text.encode())[:-50])

    with pytest.raises(Refused) as refusal:
        load(tmp_path / name)

    assert str(refusal.value) == (f"{name} is a damaged or incomplete file: it ends too early or cannot be unpacked.")
    assert not Charge.objects.exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_shows_itself(tmp_path, encoding):
    text = text_of(focus_row(ResourceName="Zürich 東京"))
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))

    load(tmp_path / "a.csv")

    assert Charge.objects.get().resource_name == "Zürich 東京"


@pytest.mark.parametrize(("encoding", "name"), [("latin-1", "Zürich"), ("cp1252", "Zürich €")])
def test_other_encodings_are_declared(tmp_path, encoding, name):
    (tmp_path / "a.csv").write_bytes(text_of(focus_row(ResourceName=name)).encode(encoding))
    with pytest.raises(Refused) as refusal:
        load(tmp_path / "a.csv")
    assert str(refusal.value) == (
        "a.csv is not UTF-8 text, as line 2 shows. If its source writes another encoding, say so in the source's settings."
    )

    Source.objects.update(encoding=encoding)
    load(tmp_path / "a.csv")

    assert Charge.objects.get().resource_name == name


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_separators_and_line_ends_are_of_no_matter(tmp_path, separator, end):
    rows = [focus_row(ResourceId=f"i-{n}", EffectiveCost=f"{n}.50") for n in (1, 2, 3)]
    (tmp_path / "a.csv").write_bytes(text_of(*rows, separator=separator).replace("\r\n", end).encode())

    load(tmp_path / "a.csv")

    assert loaded() == THREE


def test_an_archive_is_read_member_by_member(tmp_path):
    with zipfile.ZipFile(tmp_path / "jan.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("part-1.csv", text_of(focus_row(ResourceId="a")))
        archive.writestr("deep/part-2.csv.gz", gzip.compress(text_of(focus_row(ResourceId="b", ListCost="x")).encode()))
        archive.writestr("__MACOSX/._part-1.csv", b"litter")
        archive.writestr("notes.txt", "Have fun")

    delivery = load(tmp_path / "jan.zip")

    assert (delivery.loaded, delivery.quarantined) == (1, 1)
    assert "jan.zip/notes.txt is no billing file: left out." in delivery.warnings
    names = list(ReceivedFile.objects.values_list("name", "member"))
    assert names == [("jan.zip/deep/part-2.csv.gz", "deep/part-2.csv.gz"), ("jan.zip/part-1.csv", "part-1.csv")]
    assert str(ImportIssue.objects.get().file) == "jan.zip/deep/part-2.csv.gz"
    assert load(tmp_path / "jan.zip").is_repeated


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"PK\x03\x04 no archive", "bad.zip is a damaged or incomplete zip archive."),
        (b"PK\x05\x06" + bytes(18), "bad.zip holds no .csv or .parquet file, packed or not."),
    ],
)
def test_an_archive_of_no_use_is_refused(tmp_path, content, sentence):
    (tmp_path / "bad.zip").write_bytes(content)

    with pytest.raises(Refused) as refusal:
        load(tmp_path / "bad.zip")

    assert str(refusal.value) == sentence


def test_a_damaged_member_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("a.csv", text_of(*(focus_row(ResourceId=f"i-{n}") for n in range(50))))
    data = bytearray((tmp_path / "bad.zip").read_bytes())
    data[data.index(b"node-1")] ^= 2  # another letter in a word
    (tmp_path / "bad.zip").write_bytes(data)

    with pytest.raises(Refused, match="is a damaged or incomplete file"):
        load(tmp_path / "bad.zip")


@pytest.mark.parametrize(("bit", "sentence"), [
    (1, "odd.zip is encrypted: unpack it and deliver what is in it."),
    (0x40, "odd.zip/a.csv is a damaged or incomplete file: it ends too early or cannot be unpacked."),
])  # fmt: skip
def test_an_encrypted_archive_is_refused(tmp_path, bit, sentence):
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        archive.writestr("a.csv", three())
    data = bytearray((tmp_path / "odd.zip").read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + place] |= bit
    (tmp_path / "odd.zip").write_bytes(data)

    with pytest.raises(Refused) as refusal:
        load(tmp_path / "odd.zip")

    assert str(refusal.value) == sentence


# Parquet


def write_parquet(path: Path, **columns) -> Path:
    pyarrow.parquet.write_table(pa.table(columns), path)
    return path


def a_table(**columns) -> dict:
    pairs = [("pi_email", "ada@example.edu"), ("project_id", "engine"), ("fund_org", "NSF-1")]
    return {
        "BillingPeriodStart": pa.array([datetime(2025, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("ms", "UTC")),
        "EffectiveCost": pa.array([Decimal("0.123456789012"), Decimal("-2.5")], pa.decimal128(38, 12)),
        "ListCost": pa.array([0.1, 1e-7]),
        "ResourceId": pa.array(["a", None]).dictionary_encode(),
        "Tags": pa.array([pairs, pairs], pa.map_(pa.string(), pa.string())),
        **columns,
    }


def test_parquet_is_exact_to_the_last_digit(tmp_path):
    delivery = load(write_parquet(tmp_path / "a.parquet", **a_table()))

    assert delivery.totals["USD"]["EffectiveCost"]["file"] == "-2.376543210988"
    assert delivery.totals["USD"]["ListCost"]["file"] == "0.1000001"
    assert [(c.effective_cost, c.list_cost, c.resource_id, c.pi.email) for c in Charge.objects.order_by("pk")] == [
        (Decimal("0.123456789"), Decimal("0.1"), "a", "ada@example.edu"),
        (Decimal("-2.5"), Decimal("0.0000001"), "", "ada@example.edu"),
    ]


@pytest.mark.parametrize(
    "tags",
    [
        pa.array(['{"pi_email": "ada@example.edu"}'] * 2),
        pa.array([{"pi_email": "ada@example.edu"}] * 2),
        pa.array([[{"key": "pi_email", "value": "ada@example.edu"}]] * 2),
    ],
)
def test_tags_of_any_type_are_read(tmp_path, tags):
    load(write_parquet(tmp_path / "a.parquet", **a_table(Tags=tags)))

    assert {charge.pi.email for charge in Charge.objects.all()} == {"ada@example.edu"}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_instants_of_any_resolution_are_read(tmp_path, unit):
    at = pa.array([datetime(2025, 1, 3, 7, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, "UTC"))
    load(write_parquet(tmp_path / "a.parquet", **a_table(ChargePeriodStart=at)))

    assert {str(charge.charge_period_start) for charge in Charge.objects.all()} == {"2025-01-03 07:00:00+00:00"}


def test_a_float_that_is_no_number_is_put_aside(tmp_path):
    load(write_parquet(tmp_path / "a.parquet", **a_table(ListCost=pa.array([float("nan"), 1.5]))))

    issue = ImportIssue.objects.get()
    assert (issue.column, issue.raw_value, issue.line_number) == ("ListCost", "nan", 2)


def test_a_parquet_file_that_is_cut_is_refused(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", **a_table())
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(Refused) as refusal:
        load(path)

    assert str(refusal.value) == "a.parquet is a damaged or incomplete Parquet file."


# Lines


def test_lines_are_counted_as_an_editor_counts_them(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK", 2)
    header, *rows = text_of(
        focus_row(), focus_row(ResourceName="two\nlines"), focus_row(ListCost="x"), focus_row(ListCost="y")
    ).split("\r\n")
    (tmp_path / "a.csv").write_text("\n".join([header, "", *rows]), newline="")

    load(tmp_path / "a.csv")

    assert list(ImportIssue.objects.order_by("pk").values_list("line_number", "raw_value")) == [(6, "x"), (7, "y")]


def test_a_line_without_end_is_refused_before_memory_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LONGEST_LINE", 10_000)
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(text_of(focus_row()).encode() + b"x" * 20_000))

    with pytest.raises(Refused) as refusal:
        load(tmp_path / "bomb.csv.gz")

    assert str(refusal.value) == ("bomb.csv.gz holds a line of more than 10,000 characters: that is no billing row.")
