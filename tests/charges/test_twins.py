"""What would be billed twice is refused, within archives and beside them as in a folder."""

import gzip
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from charges.importing import import_files
from charges.models import Charge, FocusImport
from periods.errors import Refused
from tests.charges.focus_files import focus_row, write_focus

pytestmark = pytest.mark.django_db


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refusal_of(*paths: Path) -> str:
    with pytest.raises(Refused) as refusal:
        import_files(list(paths), source_name="aws")
    return str(refusal.value)


@pytest.fixture
def rows(tmp_path) -> bytes:
    return write_focus(tmp_path / "rows", focus_row()).read_bytes()


def test_a_member_in_two_forms_is_refused(tmp_path):
    assert refusal_of(zipped(tmp_path / "jan.zip", **{"a.csv": b"x", "a.csv.gz": b"y"})) == (
        "jan.zip/a.csv and jan.zip/a.csv.gz seem to be one file in two forms, and would be billed twice: "
        "deliver the one that counts, or give them names of their own."
    )


def test_the_same_rows_in_two_members_are_refused(tmp_path, rows):
    assert refusal_of(zipped(tmp_path / "jan.zip", **{"a.csv": rows, "deep/b.csv": rows})) == (
        "jan.zip/a.csv and jan.zip/deep/b.csv are the same: they would be billed twice."
    )


@pytest.mark.parametrize(("prefix", "place"), [("data/BILLING_PERIOD=2025-01/", "BILLING_PERIOD=2025-01"),
                                               ("", "jan.zip")])  # fmt: skip
def test_two_runs_in_an_archive_without_a_manifest_are_refused(tmp_path, prefix, place):
    first, second = "2025-01-05T03-00-00Z", "2025-01-06T03-00-00Z"
    members = {f"{prefix}{run}/part.csv": run.encode() for run in (first, second)}

    assert refusal_of(zipped(tmp_path / "jan.zip", **members)) == (
        f"{place} holds several runs of an export, and no manifest says which one counts: {first}, {second}. "
        "Give the folder of the latest."
    )


@pytest.mark.parametrize("pack", [bytes, lambda data: gzip.compress(data, mtime=0)])
def test_a_file_beside_an_archive_that_holds_it_is_refused(tmp_path, rows, pack):
    (tmp_path / "a.csv").write_bytes(pack(rows))
    zipped(tmp_path / "b.zip", **{"deep/a.csv": pack(rows)})
    zipped(tmp_path / "c.zip", **{"a.csv": pack(rows), "read.me": b"x"})

    assert refusal_of(tmp_path / "a.csv", tmp_path / "b.zip") == (
        "a.csv and b.zip/deep/a.csv are the same: they would be billed twice."
    )
    assert refusal_of(tmp_path / "b.zip", tmp_path / "c.zip") == (
        "b.zip/deep/a.csv and c.zip/a.csv are the same: they would be billed twice."
    )


def test_members_of_one_size_and_headers_alone_are_no_twins(tmp_path, rows):
    header = rows.splitlines(keepends=True)[0]
    others = {f"{n}.csv": rows.replace(b"i-1", b"i-%d" % n) for n in (1, 2, 3)}

    import_files(
        [zipped(tmp_path / "a.zip", **others, **{"4.csv": header, "5.csv": header, "6.csv": b"", "7.csv": b""})],
        source_name="aws",
    )

    assert list(Charge.objects.order_by("resource_id").values_list("resource_id", "due_amount")) == [
        (f"i-{n}", Decimal(80)) for n in (1, 2, 3)
    ]


def test_a_damaged_member_is_said_so_where_another_is_as_large(tmp_path, rows):
    path = zipped(tmp_path / "bad.zip", **{"a.csv": rows, "b.csv": rows})
    data = bytearray(path.read_bytes())
    data[data.index(b"node-1")] ^= 2
    path.write_bytes(data)

    assert refusal_of(path) == (
        "bad.zip/a.csv is a damaged or incomplete file: it ends too early or cannot be unpacked."
    )


def test_a_file_without_a_name_before_its_format_is_read(tmp_path):
    assert import_files([write_focus(tmp_path / ".csv", focus_row())], source_name="aws").loaded == 1


@pytest.mark.parametrize("packed", ["zip", "gz", "csv"])
def test_rows_of_another_source_are_refused_however_they_are_packed(tmp_path, packed):
    rows = write_focus(tmp_path / "rows", *(focus_row(ResourceId=f"i-{n}") for n in range(30))).read_bytes()
    import_files([zipped(tmp_path / "aws.zip", **{"a.csv": rows})], source_name="aws")
    path = tmp_path / f"other.{packed}"
    if packed == "zip":
        zipped(path, **{"deep/b.csv": rows})
    else:
        path.write_bytes(gzip.compress(rows) if packed == "gz" else rows)

    preview = import_files([path], source_name="azure", dry_run=True)
    with pytest.raises(Refused) as refusal:
        import_files([path], source_name="azure")

    assert preview.doubt == (
        f"The same rows are loaded as a delivery of aws, {FocusImport.objects.loaded().get()}: they would be billed twice."
    )
    assert str(refusal.value) == f"{preview.doubt} Use --force if that is right."
    assert Charge.objects.count() == 30
    import_files([path], source_name="azure", force=True)
    assert Charge.objects.current().count() == 60


def test_another_source_may_have_rows_of_the_same_sum(tmp_path):
    for source in ("aws", "azure"):
        path = write_focus(tmp_path / f"{source}.csv", focus_row(ResourceId=source))
        import_files([zipped(tmp_path / f"{source}.zip", **{"a.csv": path.read_bytes()})], source_name=source)

    assert Charge.objects.count() == 2
