"""The real month under flags that a person sets in the admin: what is held, what is billed, and all of it in the end."""

from decimal import Decimal

import pytest
from django.db.models import Sum

from charges.importing import import_files
from charges.models import Charge

pytestmark = pytest.mark.django_db
RULES = "/admin/charges/reviewrule/add/"
QUEUE = "/admin/charges/charge/"


def billable() -> tuple[int, Decimal]:
    charges = Charge.objects.filter(period__month="2025-01").billable()
    return charges.count(), charges.aggregate(due=Sum("due_amount"))["due"]


def test_a_flagged_january_is_held_in_part_and_billed_whole_once_approved(client, billing_admin, shared_data):
    client.force_login(billing_admin)
    for kind, pattern in (("fund_format", r"^[A-Z]+-.*-\d{4}$"), ("pattern", "gpu|training")):
        assert client.post(RULES, {"kind": kind, "pattern": pattern, "is_active": "on"}).status_code == 302
    for name in ("aws", "azure", "hpc", "it_storage", "storage"):
        import_files([shared_data / "openchargeback" / f"{name}_2025-01.csv"], source_name=name)

    held = Charge.objects.held()
    assert (held.count(), held.aggregate(due=Sum("due_amount"))["due"]) == (22, Decimal("11081.50"))
    assert billable() == (37, Decimal("9145.50"))

    chosen = {"action": "approve", "select_across": "1", "_selected_action": [held.first().pk]}
    asked = client.post(QUEUE, chosen)
    client.post(QUEUE, {**dict(asked.context["hidden"]), "reason": "Agreed with the departments"})

    assert not Charge.objects.held().exists()
    assert billable() == (59, Decimal("20227.00"))
