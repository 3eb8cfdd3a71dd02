"""Files of a dispute: few, small, of known types, and what they say they are."""

import zipfile
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from charges.attaching import LARGEST, attach
from charges.models import Dispute, DisputeAttachment, DisputeMessage
from periods.errors import Refused
from tests.make import make_period, make_pi, make_project, make_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def message() -> DisputeMessage:
    dispute = Dispute.objects.create(period=make_period(), pi=make_pi(), project=make_project(), source=make_source())
    return DisputeMessage.objects.create(dispute=dispute, text="See there")


def archive(*names: str) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, "content")
    return file.getvalue()


GOOD = {
    "log.pdf": (b"%PDF-1.7 text", "application/pdf"),
    "Screen.PNG": (b"\x89PNG\r\n\x1a\n pixels", "image/png"),
    "photo.jpeg": (b"\xff\xd8\xff\xe0 pixels", "image/jpeg"),
    "photo.jpg": (b"\xff\xd8\xff\xe1 pixels", "image/jpeg"),
    "jobs.csv": ("job,user\n1,Zoë\n".encode(), "text/csv"),
    "old.txt": ("Zoë\r\n".encode("cp1252"), "text/plain"),
    "jobs.xlsx": (
        archive("[Content_Types].xml", "xl/workbook.xml"),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_known_files_are_kept_by_their_hash(message, home, name):
    content, content_type = GOOD[name]

    attach(message.attachments, [SimpleUploadedFile(name, content)], folder="disputes")

    kept = DisputeAttachment.objects.get()
    assert (kept.content_type, kept.size, kept.read()) == (content_type, len(content), content)
    assert kept.path.startswith(f"disputes/{kept.sha256[:2]}/{kept.sha256}.")
    assert (home / kept.path).read_bytes() == content


BAD = {
    "run.exe": (b"MZ", "is no file that can be attached"),
    "page.html": (b"<script>", "is no file that can be attached"),
    "picture.svg": (b"<svg/>", "is no file that can be attached"),
    "noname": (b"text", "is no file that can be attached"),
    "log.pdf": (b"<html>", "does not read as pdf"),
    "screen.png": (b"%PDF-1.7", "does not read as png"),
    "jobs.csv": (b"PK\x03\x04\x00\x00", "does not read as csv"),
    "jobs.txt": (b"a\x00b", "does not read as txt"),
    "jobs.xlsx": (b"PK\x03\x04 not an archive", "does not read as xlsx"),
    "other.xlsx": (archive("word/document.xml"), "does not read as xlsx"),
    "macro.xlsx": (archive("xl/workbook.xml", "xl/vbaProject.bin"), "does not read as xlsx"),
    "empty.txt": (b"", "is empty"),
    "large.txt": (b"x" * (LARGEST + 1), "is too large"),
}


@pytest.mark.parametrize("name", BAD)
def test_others_are_refused_with_a_sentence(message, home, name):
    content, sentence = BAD[name]

    with pytest.raises(Refused, match=f"{name} .*{sentence}"):
        attach(
            message.attachments,
            [SimpleUploadedFile("good.txt", b"good"), SimpleUploadedFile(name, content)],
            folder="disputes",
        )

    assert DisputeAttachment.objects.count() == 0
    assert not (home / "disputes").exists()


def test_a_message_takes_five_files(message):
    files = [SimpleUploadedFile(f"{number}.txt", b"text") for number in range(6)]

    with pytest.raises(Refused, match="at most 5 files"):
        attach(message.attachments, files, folder="disputes")
    attach(message.attachments, files[:5], folder="disputes")

    assert message.attachments.count() == 5


@pytest.mark.parametrize(
    ("given", "kept"),
    [("..\\..\\etc\\a b.txt", "a b.txt"), ("a\r\nX: y.txt", "aX: y.txt"), ("\x07.TXT", "file.txt"),
     ("x" * 300 + ".txt", "x" * 146 + ".txt")],
)  # fmt: skip
def test_names_hold_no_folders_and_no_line_breaks(message, given, kept):
    file = SimpleUploadedFile("x.txt", b"text")
    file._name = given

    attach(message.attachments, [file], folder="disputes")

    assert DisputeAttachment.objects.get().name == kept


def test_a_file_that_was_changed_is_not_given_out(message, home):
    attach(message.attachments, [SimpleUploadedFile("a.txt", b"text")], folder="disputes")
    kept = DisputeAttachment.objects.get()
    (home / kept.path).write_bytes(b"forged")

    with pytest.raises(Refused, match=r"The file a.txt is missing or not what was kept."):
        kept.read()
