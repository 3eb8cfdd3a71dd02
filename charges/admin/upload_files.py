"""The way in: one file or many, each with source and month guessed, a preview of every delivery, loaded in turn."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from unfold.widgets import UnfoldBooleanSwitchWidget

from charges.admin.delivery_tables import Tables, due_change
from charges.admin.display import table
from charges.admin.upload import ACCEPTED, FileFields, LoadFields, tell_outcome
from charges.admin.upload_storage import TOKEN, keep_upload, purge, uploads
from charges.importing import Delivery, import_files
from charges.importing.guessing import Guess, guess
from charges.importing.reading.manifests import in_archive, is_manifest, require_bearable
from charges.models import Source
from periods.errors import Refused

SESSION = "focus_uploads"  # the uploads that this user made
PREVIEWED = "focus_previewed"  # what was answered for the latest preview
MOST = 100  # files
SUMMARY = [
    "File", "What becomes of it", "Source", "Month", "Rows", "Held for review", "In quarantine", "Δ amount due",
]  # fmt: skip


class Uploaded(NamedTuple):
    path: Path
    form: "FileForm"
    guess: Guess


@dataclass(frozen=True, slots=True)
class Previewed:
    """A delivery that would be made of the files of one source and month; or why it cannot."""

    names: list[str]
    delivery: Delivery | None
    problem: str

    @property
    def tables(self) -> Tables | None:
        return Tables(self.delivery) if self.delivery else None

    @property
    def outcome(self) -> str:
        if self.delivery is None:
            return self.problem
        if self.delivery.is_repeated:
            return "Nothing: it is here already"
        if self.delivery.doubt:
            return f"It would be refused: {self.delivery.doubt}"
        return "It would be kept, not loaded" if Tables(self.delivery).is_kept else "It can be loaded"

    @property
    def cells(self) -> list[str]:
        """Its row of the summary."""
        names = format_html_join("", '<div class="ocb-name">{}</div>', ((name,) for name in self.names))
        if (found := self.delivery) is None:
            return [names, self.outcome, *["—"] * (len(SUMMARY) - 2)]
        counts = [f"{number:,}" for number in (found.rows, found.flagged, found.quarantined)]
        source = format_html('<span class="ocb-name">{}</span>', found.source)
        months = format_html_join(
            ", ", '<span class="whitespace-nowrap">{}</span>', ((month,) for month in found.months)
        )
        return [names, self.outcome, source, months, *counts, due_change(found)]

    @property
    def is_loadable(self) -> bool:
        return self.delivery is not None and not self.delivery.is_repeated


class FileForm(FileFields):
    """One file: whose it is, and which month it belongs to if it does not say so itself."""

    is_wanted = forms.BooleanField(label="Load it", required=False, initial=True, widget=UnfoldBooleanSwitchWidget())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["source_name"].help_text = self.fields["period"].help_text = ""

    @property
    def is_to_be_loaded(self) -> bool:
        return not self.is_bound or (self.is_valid() and self.cleaned_data["is_wanted"])


class FilesView:
    """Pages of an admin for uploads; the admin says who may."""

    def __init__(self, model_admin: Any) -> None:
        self.admin = model_admin

    def urls(self) -> list[URLPattern]:
        wrap = self.admin.admin_site.admin_view
        return [
            path("files/", wrap(self.upload), name="charges_focusimport_files"),
            path("files/<str:token>/", wrap(self.describe), name="charges_focusimport_described"),
        ]

    def upload(self, request: HttpRequest) -> HttpResponseBase:
        self._require_permission(request)
        files = request.FILES.getlist("files")
        if request.method != "POST" or not 0 < len(files) <= MOST:
            if request.method == "POST":
                messages.error(request, f"Choose 1 to {MOST} files.")
            return self._page(request, "files.html", title="Import files", accepted=f"{ACCEPTED},.json")
        purge()
        token = uuid4().hex
        for number, file in enumerate(files):
            keep_upload(file, uploads() / token / f"{number:03d}")
        request.session[SESSION] = [*request.session.get(SESSION, []), token]
        return redirect("admin:charges_focusimport_described", token)

    def describe(self, request: HttpRequest, token: str) -> HttpResponseBase:
        """Whose the files are; what they would change; and the load of just what was previewed."""
        self._require_permission(request)
        if not TOKEN.fullmatch(token) or token not in request.session.get(SESSION, []):
            raise Http404
        files = _uploaded(token, request.POST or None)
        incomplete = list(_incomplete(token, files))
        if not files:
            done = "The files are loaded, or older than a day: there is nothing left to do."
            messages.info(request, " ".join(incomplete) or done)
            return redirect("admin:charges_focusimport_changelist")
        asked = LoadFields(request.POST or None)
        previews: list[Previewed] = []
        may_load = False
        if request.method == "POST" and all(file.form.is_valid() for file in files) and asked.is_valid():
            options = {**asked.cleaned_data, "by": request.user}
            is_wished = "load" in request.POST and not incomplete
            if is_wished and request.session.get(PREVIEWED) == _answers(token, files, asked):
                self._load(request, token, files, options)
                is_done = not _uploaded(token, None)
                return redirect("admin:charges_focusimport_changelist") if is_done else redirect(request.path)
            previews = [_run(group, dry_run=True, **options) for group in _groups(files)]
            incomplete += _overlaps(previews)
            request.session[PREVIEWED] = "" if incomplete else _answers(token, files, asked)
            may_load = not incomplete and any(preview.is_loadable for preview in previews)
        for sentence in incomplete:
            messages.error(request, sentence)
        context = {
            "files": files,
            "asked": asked,
            "previews": previews,
            "summary": table(SUMMARY, [preview.cells for preview in previews], amounts_from=4),
            "known_sources": _sources(),
            "may_load": may_load,
        }
        return self._page(request, "described.html", title="Whose files are these?", **context)

    def _load(self, request: HttpRequest, token: str, files: list[Uploaded], options: dict[str, Any]) -> None:
        """Each delivery by itself: one that is refused keeps no other from being loaded."""
        for manifest in _manifests(token):  # what it lists was here, and is less from now on
            shutil.rmtree(manifest.parent, ignore_errors=True)
        for file in files:
            if not file.form.cleaned_data["is_wanted"]:
                shutil.rmtree(file.path.parent, ignore_errors=True)
        for group in _groups(files):
            result = _run(group, **options)
            if result.delivery is None:
                names = f"{', '.join(result.names)}: "
                messages.error(request, names + result.problem.removeprefix(names))
                continue
            tell_outcome(request, result.delivery)
            for file in group:
                shutil.rmtree(file.path.parent, ignore_errors=True)

    def _require_permission(self, request: HttpRequest) -> None:
        if not self.admin.has_import_permission(request):
            raise PermissionDenied

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        context |= {**self.admin.admin_site.each_context(request), "opts": self.admin.opts, "media": self.admin.media}
        return TemplateResponse(request, f"admin/charges/focusimport/{template}", context)


def _manifests(token: str) -> list[Path]:
    return [file for file in (uploads() / token).glob("*/*") if is_manifest(file)]


def _incomplete(token: str, files: list[Uploaded]) -> Iterator[str]:
    """Why what a provider's manifest lists is not what was uploaded with it, and is to be loaded."""
    sizes = {
        f"{file.path.parent.name}/{file.path.name}": file.path.stat().st_size
        for file in files
        if file.form.is_to_be_loaded
    }
    for file in _manifests(token) if sizes else ():
        try:
            require_bearable(file.name, file.stat().st_size)
            manifest = in_archive(file.name, file.read_bytes(), sizes)
            if manifest:
                manifest.require_whole()
                for listed in manifest.files:  # another manifest may list another file of this name
                    del sizes[str(listed)]
        except Refused as refusal:
            yield str(refusal)


def _uploaded(token: str, data: Any) -> list[Uploaded]:
    """Without manifests."""
    found = []
    for folder in sorted((uploads() / token).glob("*")):
        for file in (file for file in folder.iterdir() if not is_manifest(file)):
            guessed = guess(file, file.name)
            initial = {"source_name": guessed.source, "is_wanted": not guessed.problem}
            found.append(Uploaded(file, FileForm(data, prefix=folder.name, initial=initial), guessed))
    return found


def _groups(files: list[Uploaded]) -> list[list[Uploaded]]:
    """Files of one source and month are one delivery."""
    groups: dict[tuple[str, str], list[Uploaded]] = {}
    for file in files:
        given = file.form.cleaned_data
        if given["is_wanted"]:
            groups.setdefault((given["source_name"].strip(), given["period"]), []).append(file)
    return list(groups.values())


def _overlaps(previews: list[Previewed]) -> list[str]:
    """A second snapshot of a month would take the place of the first, though both are half of it."""
    found: list[str] = []
    seen: dict[tuple[str, str], list[str]] = {}
    for preview in previews:
        names, delivery = preview.names, preview.delivery
        for month in delivery.months if delivery else ():
            assert delivery is not None
            earlier = seen.setdefault((delivery.source.casefold(), month), names)
            if earlier is not names:
                found.append(
                    f"{', '.join(earlier)} and {', '.join(names)} would be two deliveries of {delivery.source} for "
                    f"{month}, and the second would replace the first. Give all of them the same month, or none."
                )
    return found


def _answers(token: str, files: list[Uploaded], asked: LoadFields) -> str:
    given = [(str(file.path), sorted(file.form.cleaned_data.items())) for file in files]
    return hashlib.sha256(repr((token, given, sorted(asked.cleaned_data.items()))).encode()).hexdigest()


def _run(group: list[Uploaded], *, late_to: str, **options: Any) -> Previewed:
    names, given = [file.path.name for file in group], group[0].form.cleaned_data
    options |= {"period": given["period"] or None, "late_to": late_to or None}
    try:
        delivery = import_files([file.path for file in group], source_name=given["source_name"], **options)
    except Refused as refusal:
        return Previewed(names, None, str(refusal))
    return Previewed(names, delivery, "")


def _sources() -> list[str]:
    return list(Source.objects.values_list("name", flat=True))
