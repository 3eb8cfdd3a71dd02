"""What a PI receives for one project and month: rounded, numbered, frozen."""

from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.text import slugify

from charges.models import Adjustment, FundingAccount, PrincipalInvestigator, Project, Source
from charges.money import MoneyField
from periods.models import BillingPeriod
from periods.states import Document, StateField, known_states, transition

LONGEST_NAME = 60  # of a project, in the name of a file


class StatementCounter(models.Model):
    """The last number given. A locked row, not a sequence: a rolled-back issue must leave no gap."""

    last_number = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.last_number)


class StatementQuerySet(models.QuerySet["Statement"]):
    def current(self) -> "StatementQuerySet":
        return self.filter(state=Statement.State.ISSUED)

    def visible_to(self, user: Any) -> "StatementQuerySet":
        """The whole access rule of the portal: the PI's own statements, and those of projects one is delegate of.

        Identity is the signed-in user's address, proved by the code mailed to it; case does not matter.
        """
        if not (user.is_authenticated and user.is_active and user.email):
            return self.none()
        names = ("pi__email", "pi__addresses__email", "project__delegates__email")
        merged = [name.replace("__", "__merged_into__", 1) for name in names]
        mine = reduce(or_, (Q(**{name: user.email}) for name in (*names, *merged)))
        return self.current().filter(pk__in=Statement.objects.filter(mine).values("pk"))


class Statement(Document):
    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        ISSUED = "issued", "Issued"
        SUPERSEDED = "superseded", "Superseded"
        VOID = "void", "Void"

    period = models.ForeignKey(BillingPeriod, models.PROTECT, related_name="+")
    pi = models.ForeignKey(PrincipalInvestigator, models.PROTECT, related_name="+", verbose_name="PI")
    project = models.ForeignKey(Project, models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    revision = models.PositiveSmallIntegerField(default=1)
    state = StateField(choices=State.choices, default=State.DRAFT, editable=False)
    currency = models.CharField(max_length=3)
    pi_name = models.CharField(max_length=200, help_text="As it was when issued")
    pi_email = models.EmailField()
    project_code = models.CharField(max_length=200)
    project_name = models.CharField(max_length=200)
    department = models.CharField(max_length=200, blank=True)
    list_amount = MoneyField("list price")
    provider_discount = MoneyField()
    subsidy = MoneyField()
    adjustments = MoneyField()
    due_amount = MoneyField("amount due")
    lines_sha256 = models.CharField(max_length=64, help_text="Hash of the lines: a later change shows as stale")
    seal_head = models.CharField(max_length=64, blank=True, help_text="Head of the seal chain when issued")
    issued_at = models.DateTimeField(null=True)
    dispute_until = models.DateField(null=True)

    objects = StatementQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["number", "-revision"]
        permissions: ClassVar = [
            ("issue_statement", "Can issue statements"),
            ("render_statement", "Can render statement PDFs"),
            ("email_statement", "Can e-mail statements"),
        ]
        constraints: ClassVar = [
            known_states(["draft", "issued", "superseded", "void"], "statement_state_known"),
            models.UniqueConstraint(fields=["number", "revision"], name="one_statement_a_number_and_revision"),
            models.UniqueConstraint(
                fields=["period", "pi", "project"], condition=Q(state="issued"), name="one_issued_statement_a_project"
            ),
            models.CheckConstraint(condition=~Q(currency=""), name="statement_currency_present"),
            models.CheckConstraint(
                condition=Q(due_amount=F("list_amount") + F("provider_discount") + F("subsidy") + F("adjustments")),
                name="statement_foots",
            ),
        ]

    def __str__(self) -> str:
        return self.printed_number

    @property
    def printed_number(self) -> str:
        """`S-000123`, with the revision from the second on."""
        suffix = f" rev. {self.revision}" if self.revision > 1 else ""
        return f"S-{self.number:06d}{suffix}"

    @property
    def file_name(self) -> str:
        """Of its PDF: unique, sorted by number, and safe on every system."""
        revision = f"-r{self.revision}" if self.revision > 1 else ""
        project = slugify(self.project_code)[:LONGEST_NAME]
        parts = ["statement", f"S-{self.number:06d}{revision}", self.period.month, project]
        return "-".join(filter(None, parts)) + ".pdf"

    @property
    def discount(self) -> Any:
        return self.due_amount - self.list_amount

    @transition("state", source=State.DRAFT, target=State.ISSUED, permission="statements.issue_statement")
    def issue(self, *, by: Any) -> None:
        self.issued_at = timezone.now()

    @transition("state", source=State.ISSUED, target=State.SUPERSEDED, permission="statements.issue_statement")
    def supersede(self, *, by: Any) -> None: ...

    @transition("state", source=State.ISSUED, target=State.VOID, permission="statements.issue_statement")
    def void(self, *, by: Any) -> None: ...


class StatementLine(models.Model):
    """A rounded sum that foots. Journals are made from these lines and nothing else."""

    class Kind(models.TextChoices):
        CHARGES = "charges", "Charges"
        ADJUSTMENT = "adjustment", "Adjustment"

    statement = models.ForeignKey(Statement, models.PROTECT, related_name="lines")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.CHARGES)
    source = models.ForeignKey(Source, models.PROTECT, null=True, related_name="+")
    service_name = models.TextField(blank=True)
    description = models.TextField(blank=True)
    account_code = models.CharField(max_length=60, blank=True)
    funder = models.CharField(max_length=200, blank=True)
    funding_account = models.ForeignKey(FundingAccount, models.PROTECT, null=True, related_name="+")
    percent = models.DecimalField(max_digits=5, decimal_places=2, default=100, help_text="Share of a split")
    credit_account = models.CharField(max_length=100, help_text="The account that the journal credits")
    credit_fund = models.ForeignKey(
        FundingAccount, models.PROTECT, null=True, related_name="+", help_text="Where that is a fund: who bears it"
    )
    adjustment = models.ForeignKey(Adjustment, models.PROTECT, null=True, related_name="+")
    charges = models.PositiveIntegerField(default=0)
    list_amount = MoneyField()
    provider_discount = MoneyField()
    subsidy = MoneyField()
    adjustments = MoneyField(default=0)
    due_amount = MoneyField()
    shared_amount = MoneyField(null=True, help_text="Of a share of tax, support and the like: what was divided")

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            known_states(["charges", "adjustment"], "line_kind_known", "kind"),
            models.CheckConstraint(
                condition=Q(due_amount=F("list_amount") + F("provider_discount") + F("subsidy") + F("adjustments")),
                name="line_foots",
            ),
            models.CheckConstraint(
                condition=Q(due_amount=0) | Q(funding_account__isnull=False), name="line_with_due_has_fund"
            ),
        ]

    def __str__(self) -> str:
        return self.description or self.service_name

    @property
    def discount(self) -> Any:
        return self.due_amount - self.list_amount
