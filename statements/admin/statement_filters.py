"""What statements are looked for by: what is due, where the mail stands, whether there is a PDF."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from statements.models import bounced, unmailed


class QueryFilter(DropdownFilter):
    """Each choice: its name in the address, its label, and what it makes of the list."""

    choices_by_name: ClassVar[dict[str, tuple[str, Callable[[Any], Any]]]] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in self.choices_by_name.items()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        _, choose = self.choices_by_name.get(self.value() or "", ("", lambda rows: rows))
        return choose(queryset)


class DueFilter(QueryFilter):
    title = "amount due"
    parameter_name = "due"
    choices_by_name: ClassVar = {
        "due": ("Something due", lambda rows: rows.filter(due_amount__gt=0)),
        "zero": ("Nothing due", lambda rows: rows.filter(due_amount=0)),
        "negative": ("Given back", lambda rows: rows.filter(due_amount__lt=0)),
    }


class MailFilter(QueryFilter):
    """Of what is issued: what was superseded is not to be sent any more."""

    title = "mail"
    parameter_name = "mail"
    choices_by_name: ClassVar = {
        "unsent": ("Not sent", lambda rows: unmailed(rows.current())),
        "bounced": ("Bounced", lambda rows: bounced(rows.current())),
    }


class PdfFilter(QueryFilter):
    title = "PDF"
    parameter_name = "pdf"
    choices_by_name: ClassVar = {
        "missing": ("None yet", lambda rows: rows.current().filter(document=None)),
    }
