"""What a file that nobody has described is likely to be: who delivers it, and for which months."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from charges.focus import Header
from charges.importing.reading import Chunk, open_rows
from charges.importing.receiving import LONGEST_SOURCE, parts
from charges.importing.rows import BadRow, RowReader
from charges.models import ReceivedFile, Source
from periods.errors import Refused

PROVIDERS = {"aws": "aws", "amazon": "aws", "microsoft": "azure", "azure": "azure", "google": "gcp", "oracle": "oci"}
CHANGING = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Guess:
    """`months` are those that the first rows name; `problem` is why the file cannot be read."""

    source: str
    months: list[str]
    problem: str = ""


def guess(path: Path, name: str) -> Guess:
    """By the name of a known source, an earlier file of a like name, the provider that the rows name, the name."""
    by_name = _known_source(name) or _earlier_source(name)
    try:
        provider, months = _look_into(path)
    except Refused as refusal:
        return Guess(by_name or _stem(name), [], str(refusal))
    return Guess(by_name or _provider_source(provider) or _stem(name), months)


def _known_source(name: str) -> str:
    words = _words(name)
    known = [source for source in Source.objects.values_list("name", flat=True) if _words(source) <= words]
    return max(known, key=len, default="")


def _earlier_source(name: str) -> str:
    """Of the last file whose name differs in nothing but dates, numbers and the ids of runs."""
    shape = CHANGING.sub("#", name)
    latest = ReceivedFile.objects.order_by("-pk").values_list("name", "focus_import__source__name")[:2000]
    return next((source for earlier, source in latest if CHANGING.sub("#", earlier) == shape), "")


def _provider_source(provider: str) -> str:
    lower = provider.casefold()
    return next((source for word, source in PROVIDERS.items() if word in lower), provider[:LONGEST_SOURCE])


def _stem(name: str) -> str:
    stem = name.partition(".")[0]
    return re.sub(r"[\W_]*(\d+[\W_]*)+", "-", stem).strip("-_ ")[:LONGEST_SOURCE] or "unnamed"


def _words(text: str) -> set[str]:
    return set(re.split(r"[\W_]+", text.casefold())) - {""}


def _look_into(path: Path) -> tuple[str, list[str]]:
    """The provider and the months of the first rows. Raises Refused."""
    [part, *_], _ = parts([path])
    with open_rows(part.path, part.name, member=part.member, encoding="latin-1") as (header, chunks):
        chunk = next(chunks, None)
        if chunk is None:
            raise Refused(f"{part.name} has a header and no rows.")
        return _provider(header, chunk), sorted(set(_months(header, chunk)))


def _provider(header: Header, chunk: Chunk) -> str:
    names = [name for name in ("ServiceProviderName", "ProviderName") if name in header.positions]
    cells = (cells[header.positions[name]] for name in names for cells in chunk.rows if len(cells) == len(header.names))
    return next((text.strip() for text in cells if text.strip()), "")


def _months(header: Header, chunk: Chunk) -> Iterable[str]:
    reader = RowReader(header, Source(), currency="USD")
    for cells in chunk.rows:
        try:
            yield reader.month(cells)
        except (BadRow, IndexError):
            continue
