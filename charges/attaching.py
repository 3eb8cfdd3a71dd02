"""Files that come with a message or an adjustment: few, small, of known types, and what they say they are."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from django.core.files.uploadedfile import UploadedFile

from periods import storage
from periods.errors import Refused

LARGEST = 5 * 1024 * 1024
MOST = 5
LONGEST_NAME = 150


@dataclass(frozen=True, slots=True)
class Kind:
    content_type: str
    begins: bytes = b""  # none: text


KINDS = {
    "pdf": Kind("application/pdf", b"%PDF-"),
    "png": Kind("image/png", b"\x89PNG\r\n\x1a\n"),
    "jpg": Kind("image/jpeg", b"\xff\xd8\xff"),
    "jpeg": Kind("image/jpeg", b"\xff\xd8\xff"),
    "xlsx": Kind("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK\x03\x04"),
    "csv": Kind("text/csv"),
    "txt": Kind("text/plain"),
}
ACCEPTED = ",".join(f".{suffix}" for suffix in KINDS)
SIZE = f"{LARGEST // 1024 // 1024} MB"
HINT = f"Up to {MOST} files of at most {SIZE} each: {', '.join(KINDS)}."


def attach(attachments: Any, files: Sequence[UploadedFile], *, folder: str) -> None:
    """Keep all of them, or refuse with a sentence. The caller's transaction undoes the rows.

    `attachments`: the manager of those of a message or adjustment; `folder` of OCB_HOME takes the bytes.
    """
    if len(files) > MOST:
        raise Refused(f"Attach at most {MOST} files at once.")
    kinds = [_checked(file) for file in files]
    for file, (suffix, kind) in zip(files, kinds, strict=True):
        kept = storage.keep(file.chunks(), folder=folder, suffix=f".{suffix}")
        attachments.create(
            name=_name(file, suffix),
            content_type=kind.content_type,
            path=kept.path,
            sha256=kept.sha256,
            size=kept.size,
        )


def _checked(file: UploadedFile) -> tuple[str, Kind]:
    suffix = PurePosixPath(file.name or "").suffix.removeprefix(".").lower()
    kind = KINDS.get(suffix)
    if kind is None:
        raise Refused(f"{file.name} is no file that can be attached. {HINT}")
    if not file.size or file.size > LARGEST:
        raise Refused(f"{file.name} is {'too large' if file.size else 'empty'}. {HINT}")
    if not _is_what_it_says(file, suffix, kind):
        raise Refused(f"{file.name} is not what its name says: it does not read as {suffix}.")
    return suffix, kind


def _is_what_it_says(file: Any, suffix: str, kind: Kind) -> bool:
    file.seek(0)
    content = file.read()
    file.seek(0)
    if not kind.begins:
        return _is_text(content)
    return content.startswith(kind.begins) and (suffix != "xlsx" or _is_workbook(file))


def _is_text(content: bytes) -> bool:
    """Any encoding that writes letters and line ends, and no other control characters."""
    return not any(byte < 32 and byte not in b"\t\n\r\x0c" for byte in content)  # noqa: PLR2004 - the first letter


def _is_workbook(file: Any) -> bool:
    """A spreadsheet without macros, and not just any archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, OSError):
        return False
    finally:
        file.seek(0)
    return "xl/workbook.xml" in names and not any(name.endswith("vbaProject.bin") for name in names)


def _name(file: UploadedFile, suffix: str) -> str:
    """As it was called, without folders and what no file name holds."""
    path = PurePosixPath((file.name or "").replace("\\", "/"))
    stem = "".join(char for char in path.stem if char.isprintable()).strip() or "file"
    return f"{stem[: LONGEST_NAME - len(suffix) - 1]}.{suffix}"
