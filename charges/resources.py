"""Spreadsheets in and out, with a preview: adjustments, and the reference data that staff keep."""

from typing import Any

from django.core.exceptions import ValidationError
from import_export import fields
from import_export.instance_loaders import CachedInstanceLoader

from charges.adjusting import adjust
from charges.models import (
    Adjustment,
    AllowedFund,
    AttributionRule,
    Charge,
    FundingAccount,
    PrincipalInvestigator,
    Project,
    Source,
)
from charges.spreadsheets import AmountWidget, ChargeWidget, MonthWidget, Spreadsheet, named
from periods.errors import Refused
from periods.models import BillingPeriod

READ_ONLY = ("campaign", "state")
SAME_BY = (  # not by source, fund or state, which are filled in from the charge
    "period_id", "kind", "pi_id", "project_id", "charge_id", "description", "list_amount", "due_amount", "reason",
)  # fmt: skip
KINDS = {text.casefold(): kind.value for kind in Adjustment.Kind for text in (kind.value, kind.label)}
WITHDRAWN = "Withdrawn"  # as `Adjustment.standing` says it


class AdjustmentResource(Spreadsheet):
    """Each row goes through `adjust`, in the preview too: what the stage would refuse, the preview shows.

    What stands already is left as it is, so that the same sheet again credits nobody twice. What was withdrawn leaves
    with its state and does not come back; the credits of a campaign are the campaign's.
    """

    period = fields.Field("period", "period", widget=MonthWidget(BillingPeriod, "month"))
    source = named("source", Source, "name")
    pi = named("pi", PrincipalInvestigator, "email", "pi_email")
    project = named("project", Project, "code", "project_id")
    funding_account = named("funding_account", FundingAccount, "code", "fund_org")
    borne_by = named("borne_by", FundingAccount, "code")
    list_amount = fields.Field("list_amount", "list_amount", widget=AmountWidget())
    due_amount = fields.Field("due_amount", "due_amount", widget=AmountWidget())
    charge = fields.Field("charge", "charge", widget=ChargeWidget(Charge))
    campaign = fields.Field("campaign__code", "campaign", readonly=True)
    state = fields.Field("standing", "state", readonly=True)

    class Meta:
        model = Adjustment
        fields = (
            "period", "kind", "pi", "project", "funding_account", "source", "account_code", "borne_by",
            "description", "list_amount", "due_amount", "reason", "charge", "campaign", "state",
        )  # fmt: skip
        import_id_fields = ()
        skip_unchanged = True
        force_init_instance = True
        store_instance = True

    def __init__(self, by: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.by = by

    def get_queryset(self) -> Any:
        related = ("period", "source", "pi", "project", "funding_account", "borne_by", "charge", "campaign")
        return super().get_queryset().select_related(*related)

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        super().before_import(dataset, **kwargs)
        standing = Adjustment.objects.filter(withdrawn_at=None, campaign=None)
        self.known: set[tuple[Any, ...]] = set(standing.values_list(*SAME_BY))

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        super().before_import_row(row, **kwargs)
        kind = str(row.get("kind") or "").strip()
        row["kind"] = KINDS.get(kind.casefold(), kind)
        if row["kind"] not in Adjustment.Kind.values:
            raise ValueError(f"{kind!r} is no kind of adjustment: {', '.join(Adjustment.Kind.values)}.")

    def skip_row(self, instance: Any, original: Any, row: Any, import_validation_errors: Any = None) -> bool:
        is_known = tuple(getattr(instance, name) for name in SAME_BY) in self.known
        return is_known or row.get("state") == WITHDRAWN or bool(row.get("campaign"))

    def do_instance_save(self, instance: Adjustment, is_create: bool) -> None:  # noqa: FBT001
        answers: dict[str, Any] = {
            name: getattr(instance, name, None) for name in self.Meta.fields if name not in READ_ONLY
        }
        missing = [name for name in ("period", "pi", "project") if answers[name] is None]
        if missing:
            raise ValidationError(f"Give {' and '.join(missing)}.")
        try:
            instance.pk = adjust(by=self.by, **answers).pk
        except Refused as refusal:
            raise ValidationError(str(refusal)) from refusal


class ProjectResource(Spreadsheet):
    default_fund = named("default_fund", FundingAccount, "code")
    fallback_fund = named("fallback_fund", FundingAccount, "code")

    class Meta:
        model = Project
        fields = ("code", "name", "department", "cost_center", "end_date", "default_fund", "fallback_fund")
        import_id_fields = ("code",)
        clean_model_instances = True
        skip_unchanged = True


class FundingAccountResource(Spreadsheet):
    class Meta:
        model = FundingAccount
        fields = ("code", "description", "account_code", "valid_from", "valid_until")
        import_id_fields = ("code",)
        clean_model_instances = True
        skip_unchanged = True


class AllowedFundResource(Spreadsheet):
    """Finance's list holds thousands of codes: looked up at once, written at once, their history too."""

    class Meta:
        model = AllowedFund
        fields = ("code", "description", "valid_from", "valid_until")
        import_id_fields = ("code",)
        instance_loader_class = CachedInstanceLoader
        use_bulk = True
        skip_unchanged = True

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        super().before_import(dataset, **kwargs)
        self.codes: set[str] = set()

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        super().before_import_row(row, **kwargs)
        code = row["code"] = str(row.get("code") or "").strip()
        if code in self.codes:
            raise ValueError(f"{code} stands twice in the file.")
        self.codes.add(code)

    def validate_instance(self, instance: AllowedFund, *args: Any, **kwargs: Any) -> None:
        """Without asking the database for each row: codes are told apart above."""
        super().validate_instance(instance, *args, **kwargs)
        instance.clean_fields()
        instance.clean()

    def bulk_create(self, *args: Any, **kwargs: Any) -> None:
        rows = list(self.create_instances)
        super().bulk_create(*args, **kwargs)
        AllowedFund.history.bulk_history_create(rows)

    def bulk_update(self, *args: Any, **kwargs: Any) -> None:
        rows = list(self.update_instances)
        super().bulk_update(*args, **kwargs)
        AllowedFund.history.bulk_history_create(rows, update=True)


class PrincipalInvestigatorResource(Spreadsheet):
    class Meta:
        model = PrincipalInvestigator
        fields = ("email", "name", "department")
        import_id_fields = ("email",)
        clean_model_instances = True
        skip_unchanged = True


class AttributionRuleResource(Spreadsheet):
    source = named("source", Source, "name")
    pi = named("pi", PrincipalInvestigator, "email", "pi_email")
    project = named("project", Project, "code", "project_id")
    funding_account = named("funding_account", FundingAccount, "code", "fund_org")

    class Meta:
        model = AttributionRule
        fields = (
            "id", "order", "mode", "source", "sub_account_id", "resource_prefix", "service_name", "tag",
            "valid_from", "valid_until", "pi", "project", "funding_account",
        )  # fmt: skip
        clean_model_instances = True
        skip_unchanged = True
