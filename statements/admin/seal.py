from typing import ClassVar

from django.contrib import admin
from unfold.decorators import display

from periods.plain_admin import ReadOnlyAdmin
from statements.models import Seal


@admin.register(Seal)
class SealAdmin(ReadOnlyAdmin):
    list_display: ClassVar = ["number", "period", "sealed_at", "actor", "head"]
    list_select_related: ClassVar = ["period", "sealed_by"]
    fields: ClassVar = [
        ("number", "period"), ("sealed_at", "actor"), "head", "lines_sha256", "previous", "algorithm", "counts", "totals",
    ]  # fmt: skip
    readonly_fields: ClassVar = ["actor"]

    @display(description="Sealed by")
    def actor(self, seal: Seal) -> str:
        return str(seal.sealed_by or "cron")
