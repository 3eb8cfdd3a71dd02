from typing import Any, ClassVar

from django.contrib import admin
from unfold.decorators import display

from charges.admin.display import table
from periods.plain_admin import ReadOnlyAdmin
from statements.models import RuleInForce, Seal


@admin.register(Seal)
class SealAdmin(ReadOnlyAdmin):
    list_display: ClassVar = ["number", "period", "sealed_at", "actor", "head"]
    list_select_related: ClassVar = ["period", "sealed_by"]
    fields: ClassVar = [
        ("number", "period"), ("sealed_at", "actor"), "head", "lines_sha256", "previous", "algorithm", "counts", "totals",
        "rules",
    ]  # fmt: skip
    readonly_fields: ClassVar = ["actor", "rules"]

    @display(description="Sealed by")
    def actor(self, seal: Seal) -> str:
        return str(seal.sealed_by or "cron")

    @display(description="Rules in force")
    def rules(self, seal: Seal) -> str:
        rows = [_row(rule) for rule in RuleInForce.objects.filter(period=seal.period_id)]
        return table(["Rule", "Version", "Since", "It says"], rows) if rows else "None"


def _row(rule: RuleInForce) -> tuple[Any, ...]:
    says = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in rule.says.items())
    return str(rule).capitalize(), rule.version, f"{rule.since:%Y-%m-%d %H:%M}", says
