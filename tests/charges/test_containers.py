"""What providers really send goes in as it is: packed, in parts, in other encodings, with blank lines."""

import gzip
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from threading import Event

import pyarrow as pa
import pyarrow.parquet
import pytest

from charges.importing.keeping import keep, keep_if_new
from charges.importing.reading import opening as reading
from charges.importing.reading import text
from charges.importing.receiving import digests
from charges.models import Charge, FocusImport, ImportIssue, Source
from periods.errors import Refused
from periods.lifecycle import close_period
from periods.models import BillingPeriod
from tests.charges.focus_files import focus_row
from tests.charges.packed_files import load, refusal_of, text_of, three, zipped

pytestmark = pytest.mark.django_db


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


# Lines


def test_lines_are_counted_as_an_editor_counts_them(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "CHUNK", 2)
    header, *rows = text_of(
        focus_row(), focus_row(ResourceName="two\nlines"), focus_row(ListCost="x"), focus_row(ListCost="y")
    ).split("\r\n")
    (tmp_path / "a.csv").write_text("\n".join([header, "", *rows]), newline="")

    load(tmp_path / "a.csv")

    assert list(ImportIssue.objects.order_by("pk").values_list("line_number", "raw_value")) == [(6, "x"), (7, "y")]


def test_a_line_without_end_is_refused_before_memory_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "STEP", 1)
    monkeypatch.setattr(text, "LONGEST_LINE", 10_000)
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(text_of(focus_row()).encode() + b"x" * 20_000))

    with pytest.raises(Refused) as refusal:
        load(tmp_path / "bomb.csv.gz")

    assert str(refusal.value) == ("bomb.csv.gz holds a line of more than 10,000 characters: that is no billing row.")


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


def test_a_file_that_is_written_while_it_is_copied_is_refused(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(three() + " " * (1 << 24))
    with writing(file), pytest.raises(Refused) as refusal:
        keep_if_new([file])

    assert str(refusal.value) == "a.csv changed while it was read: import it when it is whole."


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """An exporter that has not finished."""
    is_done = Event()

    def export() -> None:
        with file.open("a") as opened:
            while not is_done.is_set():
                opened.write("1\n")
                opened.flush()

    with ThreadPoolExecutor() as pool:
        exporter = pool.submit(export)
        try:
            yield
        finally:
            is_done.set()
            exporter.result()


def test_a_file_of_a_known_size_that_changes_before_it_is_copied_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text(three())
    load(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text(three().replace("AWS", "aws"))
    kept = keep_if_new([tmp_path / "a.csv"])
    hashes = digests([tmp_path / "a.csv"], kept)
    (tmp_path / "a.csv").write_text(three() * 2)

    with pytest.raises(Refused) as refusal:
        keep(hashes, kept)

    assert str(refusal.value) == "a.csv changed while it was read: import it when it is whole."


def test_files_that_are_refused_together_are_not_kept(tmp_path):
    (tmp_path / "a.csv").write_text(three())
    (tmp_path / "b.csv").write_text(three())

    with pytest.raises(Refused):
        load(tmp_path / "a.csv", tmp_path / "b.csv")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_a_full_disk_leaves_no_half_file(tmp_path, home):
    (tmp_path / "large.csv").write_bytes(bytes(3_000_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, before[1]))
    try:
        with pytest.raises(Refused) as refusal:
            keep_if_new([tmp_path / "large.csv"])
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
        ('""\r\n', "a.csv: This is no FOCUS file: it has no column BillingPeriodStart, its first line is “”."),
        (
            "a,b\r\n1,2\r\n",
            "a.csv: This is no FOCUS file: it has no column BillingPeriodStart, its first line is “a, b”.",
        ),
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
