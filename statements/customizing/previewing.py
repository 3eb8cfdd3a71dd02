"""Tries a template with real data before it is used.

Whoever changes a template puts it into `OCB_HOME/templates/drafts`, under its own name: only previews look there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from periods.lifecycle import require_permission
from statements import journaling, rendering
from statements.customizing.kinds import KINDS
from statements.customizing.newest import newest_journal, newest_mailing, newest_statement
from statements.emailing import message
from statements.templating import with_drafts


@dataclass(frozen=True, slots=True)
class Previewed:
    """What the templates make of a document, and which drafts had a part in it."""

    content: bytes
    content_type: str
    of: str
    drafts: list[str]


def preview_template(kind: str, *, by: Any = None) -> Previewed:
    """The newest document of the kind as its drafts would make it. Raises Refused naming the file and line at fault."""
    require_permission(by, KINDS[kind].permission, "preview this template")
    with with_drafts():
        content, content_type, of = MAKERS[kind]()
    return Previewed(content, content_type, of, KINDS[kind].drafted)


def _statement() -> tuple[bytes, str, str]:
    draft = newest_statement()
    content = rendering.preview(draft.statement, draft.lines)
    return content, "application/pdf", f"the statement of {draft.statement.project_code}, {draft.statement.period}"


def _email() -> tuple[bytes, str, str]:
    statements = newest_mailing()
    return message.preview(statements), "text/html; charset=utf-8", f"the mail to {statements[0].pi}"


def _journal() -> tuple[bytes, str, str]:
    journal = newest_journal()
    return journaling.preview(journal, "generic"), "text/csv; charset=utf-8", str(journal)


MAKERS: dict[str, Callable[[], tuple[bytes, str, str]]] = {
    "statement": _statement,
    "email": _email,
    "journal": _journal,
}
