"""Turns HTML into PDF bytes: the same bytes for the same text, and nothing fetched but from the template folders.

It knows neither the database nor Django, so that a pool of plain processes can do it.
"""

import atexit
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from mimetypes import guess_type
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pydyf  # type: ignore[import-untyped]
from weasyprint import CSS, HTML, Attachment, Document
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from periods.errors import Refused

VARIANT = "pdf/a-3a"  # tagged and archival; it may carry files
# A PDF/A that keeps PDF/UA-1 as well says so, and describes that word of its metadata (ISO 19005-3, 6.6.2.3).
ACCESSIBLE = b"""<rdf:Description xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" rdf:about="" pdfuaid:part="1"/>
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of PDF/UA that the file keeps</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property></rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>"""
BASE = "file:///"  # what templates name is looked up in the folders, whatever stands before it


class NotRendered(Refused):
    """No PDF came out, and why, in words."""


class TemplateFetcher(URLFetcher):
    """Allows `data:` and files of the template folders. All else fails the document, not just the picture."""

    def __init__(self, folders: Sequence[Path]) -> None:
        super().__init__(allowed_protocols=["data"], allow_redirects=False, fail_on_errors=True)
        self._folders = [folder.resolve() for folder in folders]

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        if urlsplit(url).scheme.lower() != "file":
            return super().fetch(url, headers)
        file = self._find(unquote(urlsplit(url).path).lstrip("/"))
        return URLFetcherResponse(url, file.read_bytes(), {"Content-Type": guess_type(file.name)[0] or "text/plain"})

    def _find(self, name: str) -> Path:
        for folder in self._folders:
            file = (folder / name).resolve()
            if file.is_file() and file.is_relative_to(folder):
                return file
        raise ValueError(f"no file of the template folders: {name}")


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that the PDF carries. It is dated, so that the same input makes the same bytes."""

    name: str
    content: bytes
    description: str
    date: datetime


@dataclass(frozen=True, slots=True)
class Written:
    content: bytes
    missing: str = ""  # characters that no font has a glyph for: boxes stand in their places


def write(html: str, css: str, folders: Sequence[Path], enclosures: Sequence[Enclosure] = ()) -> Written:
    """A tagged, archival, accessible PDF (PDF/A-3a, marked as PDF/UA-1 too). Raises NotRendered."""
    missing: set[int] = set()

    def finish(document: Document, file: Any) -> None:
        _mark_accessible(file)
        missing.update(*(font.missing for font in document.fonts.values()))

    style, fonts, fetcher = _style(css, tuple(folders))
    _keep_what_is_loaded()
    page = HTML(string=html, base_url=BASE, url_fetcher=fetcher)
    files = [_attachment(enclosure) for enclosure in enclosures]
    try:
        content = page.write_pdf(
            stylesheets=[style], font_config=fonts, pdf_variant=VARIANT, finisher=finish, attachments=files
        )
    except FatalURLFetchingError as error:
        raise NotRendered(f"The template refers to what it may not use: {error}") from error
    except Exception as error:
        raise NotRendered(f"The PDF could not be made ({type(error).__name__}: {error}).") from error
    return Written(bytes(content), "".join(map(chr, sorted(missing))))


def _mark_accessible(pdf: Any) -> None:
    """Its metadata is one RDF element: what is said besides belongs inside. And each file is associated once."""
    metadata = pdf.objects[int(pdf.catalog["Metadata"].split()[0])]
    end = b"</rdf:RDF>"
    if files := pdf.catalog.get("AF"):
        pdf.catalog["AF"] = pydyf.Array(dict.fromkeys(files))
    metadata.stream = [part.replace(end, ACCESSIBLE + end) for part in metadata.stream]


def _attachment(enclosure: Enclosure) -> Attachment:
    dates = {"created": enclosure.date, "modified": enclosure.date}
    return Attachment(
        string=enclosure.content,
        name=enclosure.name,
        description=enclosure.description,
        relationship="Data",
        **dates,
    )


@cache
def _keep_what_is_loaded() -> None:
    """Once a process: the search for garbage need not walk through all of WeasyPrint for every statement (7 %)."""
    gc.collect()
    gc.freeze()


@lru_cache(maxsize=4)
def _style(css: str, folders: tuple[Path, ...]) -> tuple[CSS, FontConfiguration, TemplateFetcher]:
    """Parsed once a process: fonts and style are the same for every statement."""
    fonts, fetcher = FontConfiguration(), TemplateFetcher(folders)
    try:
        return CSS(string=css, base_url=BASE, url_fetcher=fetcher, font_config=fonts), fonts, fetcher
    except FatalURLFetchingError as error:
        raise NotRendered(f"The style refers to what it may not use: {error}") from error


# WeasyPrint keeps the fonts in a folder of the system's temporary files, and cannot remove it when all else is gone.
atexit.register(_style.cache_clear)
