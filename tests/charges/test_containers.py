"""What providers really send goes in as it is: packed, in archives, as Parquet, in other encodings, with manifests."""

import csv
import gzip
import io
import resource
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from charges.importing import Delivery, archives, import_files, reading
from charges.importing.receiving import digests, keep
from charges.models import Charge, FocusImport, ImportIssue, ReceivedFile, Source
from periods.errors import Refused
from periods.lifecycle import close_period
from periods.models import BillingPeriod
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


def refusal_of(*paths: Path) -> str:
    with pytest.raises(Refused) as refusal:
        load(*paths)
    return str(refusal.value)


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
    monkeypatch.setattr(reading, "STEP", 1)
    monkeypatch.setattr(reading, "LONGEST_LINE", 10_000)
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(text_of(focus_row()).encode() + b"x" * 20_000))

    with pytest.raises(Refused) as refusal:
        load(tmp_path / "bomb.csv.gz")

    assert str(refusal.value) == ("bomb.csv.gz holds a line of more than 10,000 characters: that is no billing row.")


def test_parquet_needs_nothing_that_the_caller_imports(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", **a_table())
    program = (
        "import django, pathlib, sys; django.setup(); from charges.importing.reading import open_rows\n"
        "with open_rows(pathlib.Path(sys.argv[1]), 'a') as (_, chunks): print(len(next(chunks).rows))"
    )

    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("2\n", "")


def rows_of(path: Path, **options) -> list[list[str]]:
    with reading.open_rows(path, path.name, **options) as (_, chunks):
        return [row for chunk in chunks for row in chunk.rows]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array([0.1, 1e-7, None], pa.float32()), ["0.1", "1e-7", ""]),
        (pa.array([0.1, float("inf"), -0.0]), ["0.1", "inf", "-0.0"]),
        (pa.array([Decimal("1E-12"), Decimal("12345678901234567890.5"), None], pa.decimal256(60, 12)),
         ["0.000000000001", "12345678901234567890.500000000000", ""]),
        (pa.array([1, -2, None]), ["1", "-2", ""]),
        (pa.array([True, False, None]), ["true", "false", ""]),
        (pa.array([datetime(2025, 1, 1, 5, tzinfo=UTC)] * 3, pa.timestamp("ns", "America/New_York")),
         ["2025-01-01T05:00:00Z"] * 3),
        (pa.array([datetime(2025, 1, 1)] * 3, pa.timestamp("s")), ["2025-01-01T00:00:00"] * 3),  # noqa: DTZ001
        (pa.array([date(2025, 1, 1), None, None], pa.date32()), ["2025-01-01", "", ""]),
        (pa.array([200_000_000] * 3, pa.date32()), ["<value out of range: 200000000>"] * 3),
        (pa.array([[("a", "b")], [], None], pa.map_(pa.string(), pa.string())), ['{"a": "b"}', "{}", ""]),
        (pa.array([{"a": [{"b": Decimal("1.50")}]}, None, {"a": []}]), ['{"a": [{"b": "1.50"}]}', "", '{"a": []}']),
        (pa.array([timedelta(1), None, None]), ["1 day, 0:00:00", "", ""]),
        (pa.array([b"\xff1", b"text", b""]), ["\\xff1", "text", ""]),
        (pa.nulls(3), ["", "", ""]),
    ],
)  # fmt: skip
def test_every_type_has_its_text(tmp_path, values, texts):
    start = pa.array(["2025-01-01"] * 3)
    path = write_parquet(tmp_path / "a.parquet", BillingPeriodStart=start, EffectiveCost=start, x=values)

    assert [row[2] for row in rows_of(path)] == texts


# Archives


def zipped(path: Path, method: int = zipfile.ZIP_DEFLATED, **members: bytes | str) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_an_archive_may_hold_parquet(tmp_path):
    inner = write_parquet(tmp_path / "a.parquet", **a_table()).read_bytes()

    delivery = load(zipped(tmp_path / "jan.zip", **{"a.parquet": inner, "b.csv": text_of(focus_row(ResourceId="z"))}))

    assert (delivery.loaded, delivery.totals["USD"]["EffectiveCost"]["file"]) == (3, "77.623456789012")
    assert sorted(row.resource_id for row in Charge.objects.all()) == ["", "a", "z"]


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"a.csv": "x", "more.ZIP": b"x"}, "bad.zip holds another archive, more.ZIP: unpack it and deliver what is in it."),
        ({"../a.csv": "x"}, "bad.zip holds a file that is not in its own folder: ../a.csv."),
        ({"/etc/a.csv": "x"}, "bad.zip holds a file that is not in its own folder: /etc/a.csv."),
        ({"read.me": "x"}, "bad.zip holds no .csv or .parquet file, packed or not."),
        (
            {"1/manifest.json": "x", "2/manifest.json": "x", "1/a.csv": "x"},
            "bad.zip holds several runs of an export: unpack it and deliver the folder; the newest counts.",
        ),
    ],
)  # fmt: skip
def test_an_archive_that_is_not_to_be_trusted_is_refused(tmp_path, members, sentence):
    assert refusal_of(zipped(tmp_path / "bad.zip", **members)) == sentence
    assert [path.name for path in tmp_path.iterdir()] == ["bad.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("a.csv", three())
        archive.writestr("a.csv", three())

    assert refusal_of(tmp_path / "bad.zip") == "bad.zip holds a.csv twice: it would be billed twice."


@pytest.mark.parametrize(
    ("offset", "value", "sentence"),
    [
        (8, 1, "bad.zip is encrypted: unpack it and deliver what is in it."),
        (10, 99, "bad.zip is packed in a way that cannot be read: unpack it and deliver what is in it."),
    ],
)
def test_an_archive_that_cannot_be_unpacked_is_refused(tmp_path, offset, value, sentence):
    data = bytearray(zipped(tmp_path / "bad.zip", **{"a.csv": three()}).read_bytes())
    data[data.index(b"PK\x01\x02") + offset] = value  # in the archive's own table of contents
    (tmp_path / "bad.zip").write_bytes(data)

    assert refusal_of(tmp_path / "bad.zip") == sentence


def test_an_archive_that_was_made_to_do_harm_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGE", 1_000_000)
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    zipped(tmp_path / "bomb.zip", **{"a.csv": "x" * 5_000_000})
    zipped(tmp_path / "many.zip", **{f"{n}.csv": "x" for n in range(4)})

    assert refusal_of(tmp_path / "bomb.zip") == "bomb.zip unpacks to 5,000,000 bytes, more than a delivery ever would."
    assert refusal_of(tmp_path / "many.zip") == "many.zip holds 4 files: that is no delivery."


# Parts without rows


def test_parts_without_rows_are_legal_beside_others(tmp_path):
    header = three().splitlines(keepends=True)[0]
    for name, content in {"1": "", "2": "", "3": header, "4": header, "5": "\ufeff \r\n", "6": three()}.items():
        (tmp_path / f"{name}.csv").write_text(content, newline="")

    delivery = load(tmp_path)

    assert (delivery.rows, loaded()) == (3, THREE)
    assert load(tmp_path).is_repeated


def test_a_month_without_rows_yet_is_nothing_to_do_beside_a_closed_one(tmp_path):
    (tmp_path / "january.csv").write_text(three())
    load(tmp_path)
    close_period(BillingPeriod.objects.get())
    (tmp_path / "february.csv").write_text(three().splitlines(keepends=True)[0] + "\r\n")

    assert load(tmp_path).is_repeated


def test_a_file_that_is_empty_is_refused(tmp_path):
    (tmp_path / "a.csv").touch()
    (tmp_path / "b.csv").write_text("\n\n")

    assert refusal_of(tmp_path) == "a.csv is empty."
    assert not FocusImport.objects.loaded().exists()


def test_the_same_rows_under_two_names_are_refused(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(three())
    for name in ("c.zip", "d.zip"):
        zipped(tmp_path / name, **{"a.csv": b"x"})

    assert refusal_of(tmp_path) == "a.csv and b.csv are the same: they would be billed twice."
    assert refusal_of(tmp_path / "c.zip", tmp_path / "d.zip") == (
        "c.zip and d.zip are the same: they would be billed twice."
    )


def test_columns_may_stand_in_another_order_in_each_part(tmp_path):
    row = focus_row(ResourceId="i-1", EffectiveCost="1.50")
    other = dict(reversed(focus_row(ResourceId="i-2", EffectiveCost="2.50").items()))
    (tmp_path / "1.csv").write_text(text_of(row))
    (tmp_path / "2.csv").write_text(text_of(other))

    load(tmp_path)

    assert loaded() == THREE[:2]


# Text


def test_blank_lines_above_the_header_are_counted(tmp_path):
    (tmp_path / "a.csv").write_text("\n \n" + text_of(focus_row(ListCost="x")), newline="")

    load(tmp_path / "a.csv")

    assert ImportIssue.objects.get().line_number == 4


def test_a_header_may_have_line_ends_in_it(tmp_path):
    (tmp_path / "a.csv").write_text(text_of(focus_row(**{"x_odd\ncolumn": "1", "ListCost": "x"})), newline="")

    load(tmp_path / "a.csv")

    assert ImportIssue.objects.get().line_number == 3


def test_wrong_text_is_named_by_its_line(tmp_path):
    rows = [focus_row(ResourceId=f"i-{n}") for n in range(7000)]
    lines = text_of(*rows, focus_row(ResourceName="Zürich")).encode("latin-1")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(lines))

    assert refusal_of(tmp_path / "a.csv.gz") == (
        "a.csv.gz is not UTF-8 text, as line 7002 shows. "
        "If its source writes another encoding, say so in the source's settings."
    )
    assert not Charge.objects.exists()


def test_a_mark_wins_over_what_is_declared(tmp_path):
    Source.objects.create(name="aws", encoding="latin-1")
    (tmp_path / "a.csv").write_text(text_of(focus_row(ResourceName="Zürich")), encoding="utf-8-sig")

    load(tmp_path / "a.csv")

    assert Charge.objects.get().resource_name == "Zürich"


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text(three())
    hashes = digests([tmp_path / "a.csv"])
    (tmp_path / "a.csv").write_text(three() * 2)

    with pytest.raises(Refused) as refusal:
        keep(hashes)

    assert str(refusal.value) == "a.csv changed while it was read: import it when it is whole."


def test_a_full_disk_leaves_no_half_file(tmp_path, home):
    (tmp_path / "large.csv").write_bytes(bytes(3_000_000))
    hashes = digests([tmp_path / "large.csv"])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, before[1]))
    try:
        with pytest.raises(Refused) as refusal:
            keep(hashes)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert str(refusal.value) == f"The file could not be kept in {home / 'received'}: File too large."
    assert [path.name for path in home.rglob("*") if path.is_file()] == ["large.csv"]


def test_what_goes_wrong_elsewhere_is_not_the_fault_of_the_file(tmp_path):
    (tmp_path / "a.csv").write_text(three())

    with pytest.raises(BrokenPipeError), reading.open_rows(tmp_path / "a.csv", "a.csv"):
        raise BrokenPipeError


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        ('""\r\n', "a.csv: This is no FOCUS file: it has no column BillingPeriodStart."),
        ("a,b\r\n1,2\r\n", "a.csv: This is no FOCUS file: it has no column BillingPeriodStart."),
        ("\r\n" * 2000, "a.csv is empty."),
        ('"a\r\n', "a.csv is no CSV file: its header cannot be read: unexpected end of data."),
    ],
)
def test_what_has_no_header_of_focus_is_refused(tmp_path, start, sentence):
    (tmp_path / "a.csv").write_text(start, newline="")

    assert refusal_of(tmp_path / "a.csv") == sentence


def test_text_that_is_wrong_because_it_was_damaged_says_so(tmp_path):
    packed = bytearray(gzip.compress(text_of(focus_row(ResourceName="Zürich")).encode(), compresslevel=0))
    packed[packed.index("ü".encode())] = 0xFF
    (tmp_path / "a.csv.gz").write_bytes(packed)

    assert refusal_of(tmp_path / "a.csv.gz") == (
        "a.csv.gz is a damaged or incomplete file: it ends too early or cannot be unpacked."
    )


def test_a_member_of_two_names_is_damaged(tmp_path):
    data = bytearray(zipped(tmp_path / "a.zip", **{"é.csv": three()}).read_bytes())
    data[data.index("é".encode())] = 0xFF
    (tmp_path / "a.zip").write_bytes(data)

    assert refusal_of(tmp_path / "a.zip") == (
        "a.zip/é.csv is a damaged or incomplete file: it ends too early or cannot be unpacked."
    )
