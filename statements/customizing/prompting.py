"""A text for a coding assistant or a web chat: all that it must know, and ask, to make a template the institution's own."""

from typing import Any

from django.conf import settings

from periods.errors import Refused
from periods.lifecycle import require_permission
from statements.customizing.example import example
from statements.customizing.kinds import KINDS, Kind, table
from statements.customizing.newest import newest_journal, newest_mailing, newest_statement
from statements.emailing.message import context_of
from statements.journaling import sheet_of
from statements.models import EmailDelivery
from statements.rendering.composing import compose
from statements.templating import render


def customization_prompt(kind: str, *, by: Any = None) -> str:
    """Ready to be copied; `kind` is statement, email or journal."""
    chosen = KINDS[kind]
    require_permission(by, chosen.permission, "read an example of this template")
    return render(
        "customizing/prompt.txt",
        autoescape=False,
        kind=chosen,
        institution=settings.INSTITUTION_NAME,
        locale=settings.LOCALE,
        currency=settings.CURRENCY,
        page_size=settings.PAGE_SIZE,
        shipped=settings.BASE_DIR / "templates",
        files=[_own(chosen, name) for name in chosen.files],
        table=table(chosen),
        example=_example(kind),
    )


def _example(kind: str) -> str:
    """Empty while there is nothing that could be one."""
    try:
        return example(CONTEXTS[kind]())
    except Refused:
        return ""


def _statement() -> Any:
    draft = newest_statement()
    return compose(draft.statement, draft.lines)


def _email() -> Any:
    statements = newest_mailing()
    return context_of(statements, recipient=statements[0].pi.email, kind=EmailDelivery.Kind.STATEMENTS)


def _journal() -> Any:
    journal = newest_journal()
    return sheet_of(journal, journal.period)


CONTEXTS = {"statement": _statement, "email": _email, "journal": _journal}


def _own(kind: Kind, name: str) -> dict[str, str]:
    """Where the file to begin with lies, and where its changed copy goes."""
    own, shipped = kind.folder / name, settings.BASE_DIR / "templates" / name
    return {"source": str(own if own.is_file() else shipped), "draft": str(kind.drafts / name), "own": str(own)}
