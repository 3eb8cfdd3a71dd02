"""Holds what was uploaded between preview and confirm, under OCB_HOME: no copy lies in the system's temporary folder."""

import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.core.files.base import ContentFile, File
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from import_export.tmp_storages import BaseStorage

from periods import storage
from periods.errors import Refused

ABANDONED = 24 * 3600  # seconds after which an upload that nobody confirmed is thrown away
LONGEST = 255  # bytes of a name, on all usual file systems
GONE = "The upload is gone: it was confirmed already, or is older than a day. Upload it again."
TOKEN = re.compile(r"[0-9a-f]{32}")


class UploadStorage(BaseStorage):
    """Hands on the path of a file, which keeps its name."""

    def save(self, data: Any) -> None:
        purge()
        self.name = uuid4().hex
        keep_upload(data, uploads() / self.name)

    def read(self) -> Any:
        found = (uploads() / self.name).glob("*") if TOKEN.fullmatch(self.name) else ()
        files = [path for path in found if path.is_file()]
        if not files:
            raise Refused(GONE)
        return files[0]

    def remove(self) -> None:
        shutil.rmtree(uploads() / self.name, ignore_errors=True)


class SheetStorage(UploadStorage):
    """The same for formats that want the content: bytes, or text in the encoding that was asked for."""

    def save(self, data: bytes) -> None:
        super().save(ContentFile(data, name="sheet"))

    def read(self) -> bytes | str:
        path: Path = super().read()
        return path.read_bytes() if self.read_mode == "rb" else path.read_text(self.encoding)


class ConfirmedOnce:
    """An admin of django-import-export that tells what is refused at the confirm, as a second one of an upload."""

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        try:
            request.POST = answers = request.POST.copy()  # type: ignore[assignment]
            answers["import_file_name"] = claim(answers.get("import_file_name", ""))
            return super().process_import(request, **kwargs)  # type: ignore[misc]
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect(f"admin:{self.opts.label_lower.replace('.', '_')}_import")  # type: ignore[attr-defined]


def claim(name: str) -> str:
    """Take an upload away under another name: of two who confirm it at once, one goes on. Raises Refused for the other."""
    if not TOKEN.fullmatch(name):
        return name
    mine = uuid4().hex
    try:
        return (uploads() / name).rename(uploads() / mine).name
    except FileNotFoundError as error:
        raise Refused(GONE) from error


def uploads() -> Path:
    return storage.home() / "uploads"


def keep_upload(file: "File[bytes]", folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    with (folder / _file_name(file.name or "")).open("wb") as kept:
        for chunk in file.chunks():
            kept.write(chunk)


def _file_name(name: str) -> str:
    """As the disk can hold it: its end says how to read it."""
    return Path(name).name.encode()[-LONGEST:].decode(errors="ignore") or "upload.csv"


def purge() -> None:
    oldest = time.time() - ABANDONED
    for folder in uploads().glob("*"):
        with suppress(FileNotFoundError):  # another purge was faster
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)
