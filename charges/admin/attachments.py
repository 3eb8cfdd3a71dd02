"""Files beside a record: asked for on forms, linked on its page, given out as downloads to whoever may view it."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from unfold.widgets import UnfoldAdminFileFieldWidget

from charges.attaching import ACCEPTED, KINDS, SIZE
from charges.downloading import download
from charges.models.attachment import Attachment
from periods.errors import Refused


def file_field(*, required: bool = False) -> forms.FileField:
    return forms.FileField(
        label="Attachment",
        required=required,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ACCEPTED}),
        help_text=f"One file, of at most {SIZE}: {', '.join(KINDS)}.",
    )


def with_files(answers: dict[str, Any]) -> dict[str, Any]:
    """What a form was told, with its file as a stage takes files."""
    file = answers.get("file")
    return {**{name: answer for name, answer in answers.items() if name != "file"}, "files": [file] if file else []}


def file_links(url_name: str, pk: int, attachments: Iterable[Attachment]) -> str:
    """`url_name` is that of the record's admin, `pk` the record's."""
    found = ((reverse(f"admin:{url_name}", args=[pk, file.pk]), file.name) for file in attachments)
    return format_html_join(", ", '<a href="{}" class="ocb-link">{}</a>', found) or "—"


class AttachedAdmin:
    """Mixed into an admin. `attachments` are those of a record."""

    admin_site: Any
    opts: Any

    def attachments(self, row: Any) -> Any:
        return row.attachments.all()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        return [path("<int:object_id>/file/<int:file>/", view, name=self._file_url_name), *super().get_urls()]  # type: ignore[misc]

    def file_view(self, request: HttpRequest, object_id: int, file: int) -> HttpResponse:
        row = self.get_object(request, str(object_id))  # type: ignore[attr-defined]
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):  # type: ignore[attr-defined]
            raise PermissionDenied
        try:
            return download(get_object_or_404(self.attachments(row), pk=file))
        except Refused as refusal:
            return HttpResponse(str(refusal), status=409, content_type="text/plain")

    @property
    def _file_url_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_file"
