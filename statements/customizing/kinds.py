"""The templates that there are, and what each gets: read from the types, so that no page says otherwise."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from django.conf import settings

from statements.emailing.context import MailContext
from statements.journaling import Sheet
from statements.rendering.context import StatementContext

HEADINGS = ("Name", "Type", "What it is")
NOTE = re.compile(r"^    (\w+): [^#\n]+#\s*(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    title: str
    files: tuple[str, ...]  # within the template folders; the first is the one to begin with
    context: type
    permission: str  # a preview shows what its holders may see anyway
    prefix: str = ""  # before every name of the context

    @property
    def own(self) -> list[str]:
        """The files that the institution made its own."""
        return [name for name in self.files if (self.folder / name).is_file()]

    @property
    def drafted(self) -> list[str]:
        """The files that are being changed."""
        return [name for name in self.files if (self.drafts / name).is_file()]

    @property
    def folder(self) -> Path:
        return Path(settings.OCB_HOME) / "templates"

    @property
    def drafts(self) -> Path:
        return self.folder / "drafts"


@dataclass(frozen=True, slots=True)
class Name:
    """Something that a template may write: `lines[].usage.unit_price`."""

    path: str
    type: str
    note: str


PARTS = ("body.html", "body.txt", "subject.txt")
KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "statement",
            "Statement PDF",
            ("statements/statement.html", "statements/statement.css"),
            StatementContext,
            "statements.view_statement",
        ),
        Kind(
            "email",
            "E-mail to the PI",
            tuple(f"emails/{mail}-{part}" for mail in ("statement", "reminder") for part in PARTS),
            MailContext,
            "statements.view_emaildelivery",
        ),
        Kind("journal", "Journal for finance", ("journals/generic.csv",), Sheet, "statements.view_journal", "journal."),
    )
}


def names(context: type, prefix: str = "") -> Iterator[Name]:
    """All that a template can reach from a context, depth first. A list's items are written `[]`."""
    notes = _notes(context)
    for name, hint in _members(context):
        inner = next(
            (found for found in (hint, *get_args(hint)) if isinstance(found, type) and is_dataclass(found)), None
        )
        yield Name(prefix + name, _in_words(hint), notes.get(name) or _doc(inner))
        if inner:
            is_list = hint is not inner and _in_words(hint).startswith("list")
            yield from names(inner, f"{prefix}{name}{'[]' if is_list else ''}.")


def table(kind: Kind) -> str:
    """Markdown for the documentation; a test compares the two."""
    rows = [HEADINGS, ("---",) * len(HEADINGS)]
    rows += [(f"`{name.path}`", name.type, name.note) for name in names(kind.context, kind.prefix)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _members(context: type) -> Iterator[tuple[str, Any]]:
    yield from get_type_hints(context).items()
    for name, value in vars(context).items():
        if isinstance(value, property):
            yield name, get_type_hints(value.fget)["return"]


def _notes(context: type) -> dict[str, str]:
    """What the type says beside its fields; of a property, the first line of its docstring."""
    bases = [base for base in reversed(context.__mro__) if is_dataclass(base)]
    said = dict(found for base in bases for found in NOTE.findall(inspect.getsource(base)))
    docs = {name: inspect.getdoc(value) for name, value in vars(context).items() if isinstance(value, property)}
    return said | {name: doc.splitlines()[0] for name, doc in docs.items() if doc}


def _doc(context: type | None) -> str:
    """The first line; a dataclass without one has its signature there."""
    doc = (inspect.getdoc(context) or "") if context else ""
    return "" if context and doc.startswith(f"{context.__name__}(") else doc.split("\n")[0]


def _in_words(hint: Any) -> str:
    """`Decimal`, `list of Line`, `date or nothing`."""
    parts = [part for part in get_args(hint) if part is not type(None)]
    if not parts:
        return str(hint.__name__)
    if get_origin(hint) is dict:
        parts = parts[1:]  # its keys are names
    inner = " or ".join(_in_words(part) for part in parts)
    if type(None) in get_args(hint):
        return f"{inner} or nothing"
    return f"{hint.__origin__.__name__} of {inner}"
