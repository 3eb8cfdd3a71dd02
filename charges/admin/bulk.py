"""Decisions on many rows at once: ask on a page between, then decide on exactly as many as were shown there."""

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html

from periods.blockers import counted
from periods.errors import NotPermitted, Refused
from periods.transition_admin import TransitionAdmin

Action = Callable[["BulkAdmin", HttpRequest, QuerySet[Any]], HttpResponse | None]


def bulk_action(name: str, label: str, permission: str) -> Action:
    def action(model_admin: "BulkAdmin", request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        if not request.user.has_perm(permission):
            raise PermissionDenied
        rows = model_admin.model._default_manager.filter(pk__in=queryset.order_by().values("pk"))
        number = rows.count()
        form = model_admin.steps[name].form(request.POST if "shown" in request.POST else None)
        if form.is_bound and form.is_valid():
            if request.POST["shown"] != str(number):
                now = counted(number, *model_admin.nouns)
                form.add_error(None, f"The selection has changed meanwhile: it is now {now}. Look again.")
            elif model_admin.decide(request, name, rows, form):
                return None
        return model_admin.ask(request, name, rows, form)

    action.__name__ = name
    action.short_description = label  # type: ignore[attr-defined]
    action.allowed_permissions = (permission.partition(".")[2].partition("_")[0],)  # type: ignore[attr-defined]
    return action


class BulkAdmin(TransitionAdmin):
    """`stages` maps the name of a step to the function that decides on a queryset, and to the word for it."""

    stages: ClassVar[dict[str, tuple[Callable[..., int], str]]] = {}
    nouns: ClassVar[tuple[str, str]] = ("row", "rows")

    def count(self, number: int, done: str) -> str:
        return f"{counted(number, *self.nouns)} {done}."

    def summary(self, rows: QuerySet[Any]) -> list[tuple[str, str]]:
        """What the selection comes to, as headings with their text."""
        return []

    def offer(self, request: HttpRequest, name: str, rows: QuerySet[Any], form: forms.Form) -> str:
        """What else one may want after the decision, beside its message."""
        return ""

    def seen_of(self, rows: QuerySet[Any]) -> str:
        """What the page shows of the rows; stages that are given it refuse what has changed since."""
        return ""

    def seen(self, document: Any) -> str:
        return self.seen_of(self.model._default_manager.filter(pk=document.pk))

    def run(self, request: HttpRequest, name: str, rows: QuerySet[Any], form: forms.Form) -> str:
        """Returns the sentence that says what was done."""
        stage, done = self.stages[name]
        offer = self.offer(request, name, rows, form)
        number = stage(rows, by=request.user, **self.as_seen(request), **form.cleaned_data)
        return format_html("{}{}", self.count(number, done), offer)

    def decide(self, request: HttpRequest, name: str, rows: QuerySet[Any], form: forms.Form) -> bool:
        try:
            messages.success(request, self.run(request, name, rows, form))
        except NotPermitted as refusal:
            raise PermissionDenied(str(refusal)) from refusal
        except Refused as refusal:
            form.add_error(None, str(refusal))
            return False
        return True

    def ask(self, request: HttpRequest, name: str, rows: QuerySet[Any], form: forms.Form) -> TemplateResponse:
        number = rows.count()
        context = {
            **self.admin_site.each_context(request),
            "title": f"{self.steps[name].label}: {self.count(number, 'selected').rstrip('.')}",
            "opts": self.opts,
            "step": self.steps[name],
            "form": form,
            "media": self.media + form.media,
            "back": request.get_full_path(),
            "summary": self.summary(rows),
            "hidden": [
                ("action", name),
                ("shown", number),
                ("seen", self.seen_of(rows)),
                ("select_across", request.POST.get("select_across", "0")),
                *((ACTION_CHECKBOX_NAME, pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)),
            ],
        }
        return TemplateResponse(request, "admin/transition_confirm.html", context)
