from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.http import content_disposition_header
from unfold.decorators import display

from charges.admin.display import audit_list, money_column
from charges.admin.filters import PeriodFilter
from periods.errors import Refused
from periods.plain_admin import ReadOnlyAdmin, ReadOnlyInline
from periods.transition_admin import ReasonForm, Step, TransitionAdmin
from statements.admin.steps import ReferenceForm
from statements.journaling import acknowledge_journal, reject_journal, void_journal
from statements.models import ArchivedDocument, Journal, JournalLine

State = Journal.State


def _acknowledge(journal: Journal, **answers: Any) -> str:
    return f"{acknowledge_journal(journal.period, **answers)} is acknowledged."


def _reject(journal: Journal, **answers: Any) -> str:
    return f"{reject_journal(journal, **answers)} is rejected. Export again once the cause is mended."


def _void(journal: Journal, **answers: Any) -> str:
    return f"{void_journal(journal, **answers)} is void. The next export makes another."


class LineInline(ReadOnlyInline):
    model = JournalLine
    fields: ClassVar = ["account", "account_code", "source", "description", "debited", "credited"]
    readonly_fields = fields

    debited = money_column(lambda line: line.debit or None, "Debit", currency="currency")
    credited = money_column(lambda line: line.credit or None, "Credit", currency="currency")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("source").annotate(currency=F("journal__currency"))


@admin.register(Journal)
class JournalAdmin(TransitionAdmin, ReadOnlyAdmin):
    steps: ClassVar = {
        "acknowledge": Step(
            label="Acknowledge",
            run=_acknowledge,
            permission="statements.acknowledge_journal",
            states=(State.EXPORTED,),
            explanation="Finance has posted it.",
            form=ReferenceForm,
            icon="task_alt",
            is_primary=True,
        ),
        "reject": Step(
            label="Reject",
            run=_reject,
            permission="statements.acknowledge_journal",
            states=(State.EXPORTED,),
            explanation="Finance refused it. The next export makes another.",
            form=ReasonForm,
            icon="block",
        ),
        "void": Step(
            label="Void",
            run=_void,
            permission="statements.void_journal",
            states=(State.DRAFT, State.EXPORTED),
            explanation="Take it back before finance posts it. The next export makes another.",
            form=ReasonForm,
            icon="delete_sweep",
        ),
    }
    list_display: ClassVar = ["name", "period", "status", "debits", "accounting_date", "reference", "files"]
    list_filter: ClassVar = [PeriodFilter, "state"]
    list_select_related: ClassVar = ["period"]
    ordering: ClassVar = ["-period__month", "-number"]
    fields: ClassVar = [
        ("name", "period", "status"), ("accounting_date", "debits"), ("exported_at", "acknowledged_at", "reference"),
        "reason", "files", "history",
    ]  # fmt: skip
    readonly_fields: ClassVar = ["name", "status", "debits", "files", "history"]
    inlines: ClassVar = [LineInline]

    debits = money_column("debits", "Debits = credits", currency="currency")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Journal]:
        return super().get_queryset(request).annotate(debits=Sum("lines__debit")).prefetch_related("documents")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        return [path("file/<int:document_id>/", view, name="statements_journal_file"), *super().get_urls()]

    def file_view(self, request: HttpRequest, document_id: int) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        document = ArchivedDocument.objects.filter(pk=document_id, journal__isnull=False).first()
        if document is None:
            raise Http404
        try:
            content = document.read()
        except Refused as refusal:
            return HttpResponse(str(refusal), status=409, content_type="text/plain")
        layout = document.template.removeprefix("journals/").removesuffix(".csv")
        headers = {"Content-Disposition": content_disposition_header(True, f"{document.journal}-{layout}.csv") or ""}
        return HttpResponse(content, content_type="text/csv", headers=headers)

    @display(description="Journal", ordering="number")
    def name(self, journal: Journal) -> str:
        return journal.printed_number

    @display(
        description="State",
        label={"Draft": "info", "Exported": "warning", "Acknowledged": "success", "Rejected": "danger"},
    )
    def status(self, journal: Journal) -> str:
        return journal.get_state_display()

    @display(description="Files")
    def files(self, journal: Journal) -> str:
        files = (
            (reverse("admin:statements_journal_file", args=[document.pk]), document.template.rpartition("/")[2])
            for document in journal.documents.all()
        )
        return format_html_join(", ", '<a href="{}" class="ocb-link">{}</a>', files) or "—"

    @display(description="History")
    def history(self, journal: Journal) -> str:
        return audit_list(journal)
