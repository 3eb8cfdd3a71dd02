"""What a file that nobody has described is likely to be: who delivers it, and for which months."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from charges.focus import Header
from charges.importing.checking.rows import BadRow, RowReader
from charges.importing.reading.chunk import Chunk
from charges.importing.reading.opening import open_rows
from charges.importing.reading.text import CHUNK
from charges.importing.receiving import LONGEST_SOURCE, parts
from charges.models import ReceivedFile, Source
from periods.errors import Refused

PROVIDERS = {"aws": "aws", "amazon": "aws", "microsoft": "azure", "azure": "azure", "google": "gcp", "oracle": "oci"}
RUN = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
DATE = r"(?<!\d)(?:19|20)\d\d[-_]?(?:0[1-9]|1[0-2])(?:[-_]?[0-3]\d)?(?!\d)"
NUMBER = r"(?<![^\W_])\d+(?![^\W_])"  # by itself; the 2 of hpc2 is part of a name
CHANGING = re.compile(rf"{RUN}|{DATE}|{NUMBER}|\d{{3,}}", re.IGNORECASE)
DATED = re.compile(rf"{RUN}|{DATE}", re.IGNORECASE)
NUMBERED = re.compile(rf"[\W_]*(?:(?:{RUN}|{DATE}|{NUMBER})[\W_]*)+", re.IGNORECASE)
OF_ANY_FILE = {"billing", "charge", "charges", "cost", "costs", "data", "export", "focus", "report", "usage"}


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
    """The one that the name is, without dates, then without numbers, then without what any such file is called.

    A part of the name is not enough: it_storage beside storage would be one delivery of both.
    """
    known = {_words(source): source for source in Source.objects.values_list("name", flat=True)}
    undated, plain = (_words(text) for text in (DATED.sub("-", _bare(name)), _without_numbers(name)))
    said = tuple(word for word in plain if word not in OF_ANY_FILE)
    return next((known[words] for words in (undated, plain, said) if words and words in known), "")


def _earlier_source(name: str) -> str:
    """Of the last file whose name differs in nothing but dates, numbers and the ids of runs."""
    shape = CHANGING.sub("#", name)
    latest = ReceivedFile.objects.order_by("-pk").values_list("name", "focus_import__source__name")[:2000]
    return next((source for earlier, source in latest if CHANGING.sub("#", earlier) == shape), "")


def _provider_source(provider: str) -> str:
    lower = provider.casefold()
    return next((source for word, source in PROVIDERS.items() if word in lower), provider[:LONGEST_SOURCE])


def _stem(name: str) -> str:
    return _without_numbers(name)[:LONGEST_SOURCE].strip("-_ ") or "unnamed"


def _without_numbers(name: str) -> str:
    return NUMBERED.sub("-", _bare(name)).strip("-_ ")


def _bare(name: str) -> str:
    return name.partition(".")[0]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[\W_]+", text.casefold()) if word)


def _look_into(path: Path) -> tuple[str, list[str]]:
    """The provider and the months of the first rows. Raises Refused."""
    [part, *_], _ = parts([path])
    with open_rows(part.path, part.name, member=part.member, encoding="latin-1") as (header, chunks):
        chunk = next(chunks, None)
        if chunk is None:
            raise Refused(f"{part.name} has a header and no rows.")
        first = chunk.part(slice(CHUNK))
        return _provider(header, first), sorted(set(_months(header, first)))


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
