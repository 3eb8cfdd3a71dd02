from decimal import Decimal
from typing import Any, ClassVar

from django.apps import apps
from django.contrib import admin
from django.utils.text import capfirst
from unfold.decorators import display

from charges.admin.display import table
from charges.money import printed
from periods.plain_admin import ReadOnlyAdmin
from statements.models import RuleInForce, Seal

FIGURES = {"list": "List price", "discount": "Discount", "due": "Amount due"}


@admin.register(Seal)
class SealAdmin(ReadOnlyAdmin):
    list_display: ClassVar = ["number", "period", "sealed_at", "actor", "head"]
    list_select_related: ClassVar = ["period", "sealed_by"]
    fields: ClassVar = [
        ("number", "period"), ("sealed_at", "actor"), "head", "lines_sha256", "previous", "algorithm", "sums", "rows",
        "rules",
    ]  # fmt: skip
    readonly_fields: ClassVar = ["actor", "sums", "rows", "rules"]

    @display(description="Sealed by")
    def actor(self, seal: Seal) -> str:
        return str(seal.sealed_by or "cron")

    @display(description="Totals")
    def sums(self, seal: Seal) -> str:
        found = [(label, seal.totals[name]) for name, label in FIGURES.items() if name in seal.totals]
        rows = [(label, printed(Decimal(amount), seal.period.currency)) for label, amount in found]
        return table(["Of all statements", "Amount"], rows, amounts_from=1)

    @display(description="Rows sealed")
    def rows(self, seal: Seal) -> str:
        named = {label: apps.get_model(label)._meta.verbose_name for label in seal.counts}
        return table(
            ["Kind", "Rows"],
            [(capfirst(named[label]), f"{n:,}") for label, n in sorted(seal.counts.items())],
            amounts_from=1,
        )

    @display(description="Rules in force")
    def rules(self, seal: Seal) -> str:
        rows = [_row(rule) for rule in RuleInForce.objects.filter(period=seal.period_id)]
        return table(["Rule", "Version", "Since", "It says"], rows) if rows else "None"


def _row(rule: RuleInForce) -> tuple[Any, ...]:
    says = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in rule.says.items())
    return str(rule).capitalize(), rule.version, f"{rule.since:%Y-%m-%d %H:%M}", says
