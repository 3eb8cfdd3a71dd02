"""Buttons on a document's admin page: each asks first, shows what stands in the way, then calls one stage function."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from periods.blockers import Blocker, checklist
from periods.errors import NotPermitted, Refused
from periods.lifecycle import MINIMUM_REASON
from periods.models import BillingPeriod


def reason_field(label: str = "Reason", *, required: bool = True, help_text: str = "") -> forms.CharField:
    length = f"At least {MINIMUM_REASON} characters" if required else "Optional"
    return forms.CharField(
        label=label,
        required=required,
        min_length=MINIMUM_REASON if required else None,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=help_text or f"{length}; kept in the audit trail.",
    )


def text_field(label: str, help_text: str = "") -> forms.CharField:
    return forms.CharField(label=label, max_length=200, widget=UnfoldAdminTextInputWidget(), help_text=help_text)


class ReasonForm(forms.Form):
    reason = reason_field()


class OverrideForm(forms.Form):
    """Asked only where something stands in the way that a reason may override."""

    override = reason_field(
        "Reason to override",
        required=False,
        help_text=f"At least {MINIMUM_REASON} characters, if you go on regardless.",
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One button. `run(document, by=user, **answers)` returns the sentence that says what was done."""

    label: str
    run: Callable[..., str]
    permission: str
    explanation: str
    states: tuple[str, ...] = ()  # none: whatever is_offered says
    form: type[forms.Form] = forms.Form
    form_of: Callable[[Any], type[forms.Form]] | None = None  # where what is asked depends on the document
    icon: str = "arrow_forward"
    is_primary: bool = False
    is_offered: Callable[[Any], bool] = field(default=lambda _document: True)

    def is_possible(self, document: Any) -> bool:
        return (not self.states or document.state in self.states) and self.is_offered(document)


class TransitionAdmin(ModelAdmin):
    """`steps` maps a name, which is also its address, to what is done."""

    steps: ClassVar[dict[str, Step]] = {}
    stages_ask_what_was_seen: ClassVar[bool] = False
    change_form_template = "admin/transition_change_form.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.step_view)
        return [path("<int:object_id>/step/<slug:name>/", view, name=self._url_name("step")), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        document = self.get_object(request, object_id)
        buttons = self.buttons(request, document) if document else []
        return super().change_view(request, object_id, form_url, {"buttons": buttons, **(extra_context or {})})

    def buttons(self, request: HttpRequest, document: Any) -> list[dict[str, Any]]:
        """What this user may do with the document in its present state."""
        return [
            {"step": step, "url": self.step_url(document, name)}
            for name, step in self.steps.items()
            if request.user.has_perm(step.permission) and step.is_possible(document)
        ]

    def step_url(self, document: Any, name: str) -> str:
        return reverse(f"admin:{self._url_name('step')}", args=[document.pk, name])

    def step_view(self, request: HttpRequest, object_id: int, name: str) -> HttpResponseBase:
        document, step = self.get_object(request, str(object_id)), self.steps.get(name)
        if document is None or step is None:
            raise Http404
        if not (self.has_view_permission(request, document) and request.user.has_perm(step.permission)):
            raise PermissionDenied
        if not step.is_possible(document):
            messages.error(request, f"“{step.label}” is not possible for {document} now.")
            return redirect(self._change_url(document))
        return self._ask_or_run(request, document, name, step)

    def seen(self, document: Any) -> str:
        """What the confirm page shows of the document, for stages that refuse what has changed since."""
        return ""

    def facts(self, document: Any, name: str) -> list[tuple[str, str]]:
        """What the confirm page says that a step comes to: headings with their text."""
        return []

    def as_seen(self, request: HttpRequest) -> dict[str, str]:
        return {"seen": request.POST.get("seen", "")} if self.stages_ask_what_was_seen else {}

    def _ask_or_run(self, request: HttpRequest, document: Any, name: str, step: Step) -> HttpResponseBase:
        blockers = checklist(document, name) if isinstance(document, BillingPeriod) else []
        is_overridable = any(blocker.is_overridable for blocker in blockers)
        form_class = OverrideForm if is_overridable else step.form_of(document) if step.form_of else step.form
        form = form_class(request.POST, request.FILES) if request.method == "POST" else form_class()
        if request.method == "POST" and form.is_valid():
            try:
                answers = {**self.as_seen(request), **form.cleaned_data}
                messages.success(request, step.run(document, by=request.user, **answers))
                return redirect(self._change_url(document))
            except NotPermitted as refusal:
                raise PermissionDenied(str(refusal)) from refusal
            except Refused as refusal:
                form.add_error(None, str(refusal))
        return self._confirm(request, document, name, form, blockers)

    def _confirm(
        self, request: HttpRequest, document: Any, name: str, form: forms.Form, blockers: list[Blocker]
    ) -> HttpResponse:
        step = self.steps[name]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{step.label}: {document}",
            "opts": self.opts,
            "original": document,
            "step": step,
            "form": form,
            "media": self.media + form.media,
            "blockers": blockers,
            "is_blocked": any(not (blocker.is_warning or blocker.is_overridable) for blocker in blockers),
            "back": self._change_url(document),
            "summary": self.facts(document, name),
            "hidden": [("seen", self.seen(document))],
        }
        return TemplateResponse(request, "admin/transition_confirm.html", context)

    def _change_url(self, document: Any) -> str:
        return reverse(f"admin:{self._url_name('change')}", args=[document.pk])

    def _url_name(self, view: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{view}"
