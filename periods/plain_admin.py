"""What our admin pages share: nothing is deleted, records are read only, a refusal is shown on the form."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.admin import ShowFacets
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from unfold.admin import ModelAdmin, TabularInline

from periods.errors import Refused


class PlainAdmin(ModelAdmin):
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    empty_value_display = "—"
    change_form_template = "admin/record_change_form.html"
    list_per_page = 50
    list_filter_sheet = False
    compressed_fields = True

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(PlainAdmin):
    """A record that stages write and people read."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(TabularInline):
    extra = 0
    can_delete = False
    show_change_link = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RefusableForm(forms.ModelForm):
    refusal = ""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.refusal:
            raise ValidationError(self.refusal)
        return cleaned


class StageAdmin(PlainAdmin):
    """A form whose saving is a stage function: what the stage refuses stands above the form as it was filled in."""

    form = RefusableForm

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        form = super().get_form(request, obj, change, **kwargs)
        form.refusal = getattr(request, "refusal", "")
        return form

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.lifting_refusals(super().changeform_view, request, *args, **kwargs)

    def lifting_refusals(self, view: Callable[..., Any], request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Run a view that saves; what a stage refuses undoes all of it and is said above the form."""
        try:
            with transaction.atomic():
                return view(request, *args, **kwargs)
        except Refused as refusal:
            request.refusal = str(refusal)  # type: ignore[attr-defined]
            return view(request, *args, **kwargs)
