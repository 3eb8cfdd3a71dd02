"""django-import-export's upload, preview and confirm around the one import engine; nothing is held in memory.

Its extension points carry paths instead of data: the storage keeps the upload as it came, the format hands the
path on, and the resource runs the engine, dry for the preview and in earnest once confirmed.
"""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.utils import timezone
from import_export.formats.base_formats import Format
from import_export.forms import ConfirmImportForm
from import_export.resources import Resource
from import_export.results import Error, Result
from unfold.contrib.import_export.forms import ImportForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from charges.admin.delivery_tables import Tables, change
from charges.admin.upload_storage import UploadStorage
from charges.importing import Delivery, import_files
from charges.importing.guessing import guess
from charges.models import Source
from periods.blockers import counted
from periods.calendar import month_of, parse_month
from periods.errors import Refused
from periods.models import BillingPeriod

ACCEPTED = ".csv,.gz,.zst,.zip,.parquet"


class FocusFormat(Format):
    def get_title(self) -> str:
        return "FOCUS 1.0 to 1.4 (.csv, .csv.gz, .csv.zst, .zip or .parquet)"

    def __init__(self, encoding: str | None = None) -> None:
        """The engine finds the encoding by itself."""

    def create_dataset(self, in_stream: Path) -> Path:
        return in_stream

    def can_import(self) -> bool:
        return True


class DeliveryResult(Result):
    delivery: Delivery | None = None

    @property
    def tables(self) -> Tables | None:
        return Tables(self.delivery) if self.delivery else None


class FocusResource(Resource):
    """The engine in the place where a resource would go row by row."""

    @classmethod
    def get_display_name(cls) -> str:
        return "FOCUS file"

    def import_data(self, dataset: Path, dry_run: bool = False, **kwargs: Any) -> DeliveryResult:  # noqa: FBT001, FBT002
        result = DeliveryResult()
        try:
            result.delivery = import_files(
                [dataset],
                source_name=kwargs["source_name"],
                period=kwargs["period"] or None,
                late_to=kwargs["late_to"] or None,
                force=kwargs["force"],
                dry_run=dry_run,
                by=kwargs["user"],
            )
        except Refused as refusal:
            result.append_base_error(Error(refusal))
        return result


class FileFields(forms.Form):
    source_name = forms.CharField(
        label="Source",
        max_length=60,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "known-sources", "autocomplete": "off"}),
        help_text="Who delivers this file. A new name makes a new source.",
    )
    period = forms.CharField(
        label="Month",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "as the file says"}),
        help_text="YYYY-MM puts all rows there, whatever they say. Leave it empty for a normal delivery.",
    )

    def clean_period(self) -> str:
        text = self.cleaned_data["period"].strip()
        try:
            return parse_month(text) if text else ""
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


def _late_months() -> list[tuple[str, str]]:
    """The open months, newest first, and this one, which may have no delivery yet."""
    open_ones = set(BillingPeriod.objects.filter(state=BillingPeriod.State.OPEN).values_list("month", flat=True))
    names = sorted(open_ones | {month_of(timezone.now())}, reverse=True)
    return [("", "Nowhere: a file of a closed month is refused, or kept"), *((name, name) for name in names)]


class LoadFields(forms.Form):
    late_to = forms.ChoiceField(
        label="Differences of closed months go to",
        required=False,
        choices=_late_months,
        widget=UnfoldAdminSelectWidget(),
        help_text="What a file says of a closed month beyond what that month holds is billed in an open one.",
    )
    force = forms.BooleanField(
        label="Load in spite of doubts: rows or total fell, accounts came or went, no row of one can be used",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
    )


class FocusFields(FileFields, LoadFields):
    """All that is asked about an upload."""


class UploadForm(FocusFields, ImportForm):
    field_order = ("import_file", "source_name", "period", "late_to", "force", "format", "resource")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["import_file"].widget.attrs["accept"] = ACCEPTED
        source = self.fields["source_name"]
        source.required = False
        source.widget.attrs["placeholder"] = "as guessed from the file"
        source.help_text = "Who delivers this file. A new name makes a new source. Left empty, it is guessed."

    def guess_source(self) -> None:
        """Where none is given: the preview shows it, and only what was previewed is confirmed."""
        if not self.cleaned_data["source_name"]:
            path = UploadStorage(name=self.cleaned_data["import_file"].tmp_storage_name).read()
            self.cleaned_data["source_name"] = guess(path, path.name).source

    @property
    def known_sources(self) -> list[str]:
        return list(Source.objects.values_list("name", flat=True))


class ConfirmForm(FocusFields, ConfirmImportForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["late_to"] = forms.CharField(required=False)  # the engine says so if it was closed meanwhile
        for name in FocusFields.base_fields:
            self.fields[name].widget = forms.HiddenInput()


def tell_outcome(request: HttpRequest, delivery: Delivery) -> None:
    """What became of a delivery, those of its rows included that are of closed months."""
    whose = f"{delivery.source}, {', '.join(delivery.months)}"
    if delivery.is_repeated:
        messages.info(request, f"{whose}: nothing to do, {delivery.focus_import} holds the same already.")
        return
    sentences = [f"{whose}: {_written(delivery)}.", *_late_outcomes(delivery.late_months)]
    tell = messages.success if delivery.loaded else messages.warning
    tell(request, " ".join(sentences))


def _written(delivery: Delivery) -> str:
    """Unchanged rows are apart: they stay the charges of an earlier delivery."""
    others = {"unchanged": delivery.unchanged, "gone": delivery.removed}
    return ", ".join([
        f"{counted(delivery.added + delivery.changed, 'row is', 'rows are')} loaded",
        *(f"{rows:,} {word}" for word, rows in others.items() if rows),
        f"{delivery.flagged:,} held for review",
        f"{delivery.quarantined:,} in quarantine",
    ])  # fmt: skip


def _late_outcomes(late_months: list[dict[str, Any]]) -> Iterator[str]:
    for month, of_month in groupby(late_months, key=itemgetter("month")):
        lates = list(of_month)
        due = " and ".join(f"{change(late['due'], late['currency'])} {late['currency']}" for late in lates)
        to, charges = lates[0]["to"], counted(lates[0]["rows"], "charge", "charges")
        became = f"is loaded into {to}, as {charges}" if to else "is kept, not loaded"
        yield f"{month} is closed: the difference of {due} due {became}."
