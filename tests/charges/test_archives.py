"""An archive is read member by member; one that is damaged, or made to do harm, is refused."""

import gzip
import zipfile

import pytest

from charges.importing.reading import archives
from charges.models import Charge, ImportIssue, ReceivedFile
from periods.errors import Refused
from tests.charges.focus_files import focus_row
from tests.charges.packed_files import a_table, load, refusal_of, text_of, three, write_parquet, zipped

pytestmark = pytest.mark.django_db


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


def test_a_member_of_two_names_is_damaged(tmp_path):
    data = bytearray(zipped(tmp_path / "a.zip", **{"é.csv": three()}).read_bytes())
    data[data.index("é".encode())] = 0xFF
    (tmp_path / "a.zip").write_bytes(data)

    assert refusal_of(tmp_path / "a.zip") == (
        "a.zip/é.csv is a damaged or incomplete file: it ends too early or cannot be unpacked."
    )
