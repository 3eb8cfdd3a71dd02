from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from charges.admin.bulk import BulkAdmin, bulk_action
from charges.admin.display import audit_list, money_column
from charges.admin.filters import PeriodFilter
from charges.models import Charge, Dispute
from periods.errors import Refused
from periods.plain_admin import ReadOnlyAdmin, ReadOnlyInline
from statements.admin.delivery import COLOURS
from statements.admin.statement_bulk import BULK, LABELS, STEPS, download, summary
from statements.admin.statement_filters import DueFilter, MailFilter, PdfFilter
from statements.admin.statement_history import deliveries, pdf_link, revisions
from statements.admin.tracing import TracedAdmin
from statements.models import EmailDelivery, Statement, StatementLine, latest_to_pi
from statements.rendering import preview

Status = EmailDelivery.Status
NOT_SENT = "Not sent"
MAIL_COLOURS = {NOT_SENT: "warning", **{Status(status).name.capitalize(): colour for status, colour in COLOURS.items()}}


class LineInline(ReadOnlyInline):
    model = StatementLine
    fields: ClassVar = ["what", "funding_account", "percent", "account_code", "charges", "listed", "negotiated",
                        "subsidized", "adjusted", "due"]  # fmt: skip
    readonly_fields = fields

    listed = money_column("list_amount", "List", currency="currency")
    negotiated = money_column("provider_discount", "Provider", currency="currency")
    subsidized = money_column("subsidy", "Subsidy", currency="currency")
    adjusted = money_column("adjustments", "Adjusted", currency="currency")
    due = money_column("due_amount", "Due", currency="currency")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        lines = super().get_queryset(request).select_related("source", "funding_account", "statement")
        return lines.annotate(currency=F("statement__currency"), is_disputed=Exists(_disputes()))

    @display(description="What")
    def what(self, line: Any) -> str:
        mark = "in dispute" if line.is_disputed and line.kind == StatementLine.Kind.CHARGES else ""
        words = " · ".join(str(part) for part in (line.source, line.description or line.service_name, mark) if part)
        url = reverse("admin:statements_statement_line", args=[line.pk])
        return format_html('<a href="{}" class="ocb-link">{}</a>', url, words or "—")


@admin.register(Statement)
class StatementAdmin(TracedAdmin, BulkAdmin, ReadOnlyAdmin):
    steps = STEPS
    nouns = ("statement", "statements")
    actions: ClassVar = [*(bulk_action(name, LABELS[name], step.permission) for name, step in STEPS.items()), download]
    list_display: ClassVar = ["number_printed", "period", "pi_in_short", "project_named", "listed", "discounted", "due",
                              "status", "mail", "pdf"]  # fmt: skip
    list_filter: ClassVar = [PeriodFilter, "state", DueFilter, MailFilter, PdfFilter, ("pi", AutocompleteSelectFilter)]
    list_select_related: ClassVar = ["period", "document"]
    search_fields: ClassVar = ["pi_email__startswith", "pi_name__startswith", "project_code__startswith", "=number"]
    search_help_text = "The beginning of a PI's name or address or of a project, or a statement's number"
    ordering: ClassVar = ["-number", "-revision"]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": [
            ("number_printed", "status"), ("period", "issued_at"), ("investigator", "project_named"),
            ("listed", "due"), ("negotiated", "subsidized"), ("adjusted", "dispute_until"),
        ]}),
        ("What became of it", {"fields": ["revisions", "mails", "history", "document_hash", "seal"]}),
    ]  # fmt: skip
    change_form_outer_before_template = "admin/statement_pdf.html"
    inlines: ClassVar = [LineInline]

    listed = money_column("list_amount", "List price", currency="currency")
    discounted = money_column("discount", "Discounts", currency="currency")
    due = money_column("due_amount", "Amount due", currency="currency")
    negotiated = money_column("provider_discount", "Provider discount", currency="currency")
    subsidized = money_column("subsidy", "Subsidy", currency="currency")
    adjusted = money_column("adjustments", "Adjustments", currency="currency")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Statement]:
        return super().get_queryset(request).annotate(mailed=latest_to_pi())

    def has_render_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(STEPS["render"].permission)

    def has_email_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(STEPS["email"].permission)

    def has_copy_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(STEPS["copy"].permission)

    def run(self, request: HttpRequest, name: str, rows: Any, form: forms.Form) -> str:
        return BULK[name](rows, by=request.user, **form.cleaned_data)

    def summary(self, rows: Any) -> list[tuple[str, str]]:
        return summary(rows)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return flatten_fieldsets(self.fieldsets)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.pdf_view)
        return [path("<int:object_id>/pdf/", view, name="statements_statement_pdf"), *super().get_urls()]

    def pdf_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The archived bytes; before there are any, a draft marked as one."""
        statement = self.get_object(request, str(object_id))
        if statement is None:
            raise Http404
        if not self.has_view_permission(request, statement):
            raise PermissionDenied
        try:
            content = _pdf(statement)
        except Refused as refusal:
            return HttpResponse(str(refusal), status=409, content_type="text/plain")
        headers = {
            "Content-Disposition": f'inline; filename="{statement.file_name}"',
            "X-Content-Type-Options": "nosniff",
        }
        return HttpResponse(content, content_type="application/pdf", headers=headers)

    @display(description="Statement", ordering="number")
    def number_printed(self, statement: Statement) -> str:
        return statement.printed_number

    @display(description="State", label={"Issued": "success", "Superseded": "warning", "Void": "danger"})
    def status(self, statement: Statement) -> str:
        return statement.get_state_display()

    @display(description="PDF")
    def pdf(self, statement: Statement) -> str:
        return pdf_link(statement)

    @display(description="PI", ordering="pi_name")
    def investigator(self, statement: Statement) -> str:
        return f"{statement.pi_name}, {statement.pi_email}"

    @display(description="PI", ordering="pi_name")
    def pi_in_short(self, statement: Statement) -> str:
        return statement.pi_name

    @display(description="Project", ordering="project_code")
    def project_named(self, statement: Statement) -> str:
        return statement.project_name or statement.project_code

    @display(description="Mail", label=MAIL_COLOURS)
    def mail(self, statement: Any) -> str | None:
        if statement.mailed:
            return Status(statement.mailed).name.capitalize()
        return NOT_SENT if statement.state == Statement.State.ISSUED else None

    @display(description="Revisions")
    def revisions(self, statement: Statement) -> str:
        return revisions(statement)

    @display(description="E-mail")
    def mails(self, statement: Statement) -> str:
        return deliveries(statement)

    @display(description="SHA-256 of the PDF")
    def document_hash(self, statement: Statement) -> str:
        if not hasattr(statement, "document"):
            return "Not rendered yet"
        return format_html('<span class="ocb-hash">{}</span>', statement.document.sha256)

    @display(description="Seal chain when issued")
    def seal(self, statement: Statement) -> str:
        return format_html('<span class="ocb-hash">{}</span>', statement.seal_head or "No month was finalized yet")

    @display(description="History")
    def history(self, statement: Statement) -> str:
        return audit_list(statement)


def _disputes() -> QuerySet[Dispute]:
    """Open ones of a line, or of a charge that it sums. A split divides a charge over lines of all its funds."""
    line = Q(charge=None, **{name: OuterRef(name) for name in ("source", "service_name", "funding_account")})
    charge = Q(charge__source=OuterRef("source"), charge__service_name=OuterRef("service_name"))
    fund = Q(charge__funding_account=OuterRef("funding_account")) | Q(charge__fund_step=Charge.FundStep.SPLIT)
    payer = {name: OuterRef(f"statement__{name}") for name in ("period", "pi", "project")}
    return Dispute.objects.filter(line | (charge & fund), state=Dispute.State.OPEN, **payer)


def _pdf(statement: Statement) -> bytes:
    return statement.document.read() if hasattr(statement, "document") else preview(statement)
