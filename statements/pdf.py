"""Turns HTML into PDF bytes: the same bytes for the same text, and nothing fetched but from the template folders.

It knows neither the database nor Django, so that a pool of plain processes can do it.
"""

from collections.abc import Sequence
from functools import lru_cache
from mimetypes import guess_type
from pathlib import Path
from urllib.parse import unquote, urlsplit

from weasyprint import CSS, HTML
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from periods.errors import Refused

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


def write(html: str, css: str, folders: Sequence[Path]) -> bytes:
    """A tagged, accessible PDF (PDF/UA-1). Raises NotRendered."""
    style, fonts, fetcher = _style(css, tuple(folders))
    page = HTML(string=html, base_url=BASE, url_fetcher=fetcher)
    try:
        return bytes(page.write_pdf(stylesheets=[style], font_config=fonts, pdf_variant="pdf/ua-1"))
    except FatalURLFetchingError as error:
        raise NotRendered(f"The template refers to what it may not use: {error}") from error
    except Exception as error:
        raise NotRendered(f"The PDF could not be made ({type(error).__name__}: {error}).") from error


@lru_cache(maxsize=4)
def _style(css: str, folders: tuple[Path, ...]) -> tuple[CSS, FontConfiguration, TemplateFetcher]:
    """Parsed once a process: fonts and style are the same for every statement."""
    fonts, fetcher = FontConfiguration(), TemplateFetcher(folders)
    try:
        return CSS(string=css, base_url=BASE, url_fetcher=fetcher, font_config=fonts), fonts, fetcher
    except FatalURLFetchingError as error:
        raise NotRendered(f"The style refers to what it may not use: {error}") from error
