"""The contract for cron: exit 0 done, 1 refused with the reason on stderr, 2 bad usage."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, ManagementUtility, call_command

from periods.models import AuditEntry, BillingPeriod
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_period

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_close_and_reopen_say_what_they_did(billing_admin: User) -> None:
    make_period()

    assert run("close_period", "2025-01", "--by", "admin") == "January 2025 is closed.\n"
    assert run("close_period", "2025-01") == "January 2025 is already closed.\n"
    reason = "The provider restated January"
    assert run("reopen_period", "2025-01", "--reason", reason) == "January 2025 is open again.\n"
    entries = AuditEntry.objects.order_by("pk").values_list("action", "by__username", "reason")
    assert list(entries) == [("close", "admin", ""), ("reopen", None, reason)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["close_period", "2031-01"], "There is no period 2031-01"),
        (["close_period", "2025-01", "--by", "nobody"], "There is no active user 'nobody'"),
        (["reopen_period", "2025-01", "--reason", "The provider restated"], "is open: it cannot be changed"),
        (["import_focus", "/nowhere/*.csv", "--source", "aws"], "There is no FOCUS file at"),
    ],
)
def test_a_refusal_exits_1_with_its_reason(arguments: list[str], sentence: str) -> None:
    make_period()

    with pytest.raises(CommandError, match=sentence) as refusal:
        run(*arguments)

    assert refusal.value.returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [["close_period", "2025-1"], ["close_period"], ["import_focus", "a.csv"], ["reopen_period", "2025-01"]],
)
def test_bad_usage_exits_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        ManagementUtility(["manage.py", *arguments]).execute()

    assert end.value.code == 2


def test_import_prints_one_json_object(tmp_path: Path) -> None:
    path = write_focus(tmp_path / "jan.csv", focus_row())

    found = json.loads(run("import_focus", str(path), "--source", "aws", "--json"))

    assert (found["rows"], found["loaded"], found["effective_cost"], found["periods"]) == (1, 1, "80.00", ["2025-01"])


def test_import_says_in_words_what_it_did(tmp_path: Path) -> None:
    path = write_focus(tmp_path / "jan.csv", focus_row(), focus_row(EffectiveCost="x"))

    assert run("import_focus", str(path), "--source", "aws").splitlines() == [
        "2025-01 aws: 2 rows, loaded 1 (0 held for review), 1 in quarantine.",
        "Against what was there: 1 new, 0 changed, 0 gone, 0 unchanged.",
        "Totals of the files in USD: BilledCost 80.00, ContractedCost 100.00, EffectiveCost 80.00, ListCost 100.00.",
        (
            "Note: The file has no column BillingAccountId, BillingAccountName, BillingCurrency, ChargeCategory, ChargeClass, "
            "ChargeDescription, InvoiceIssuerName, PricingQuantity, PricingUnit, ProviderName, PublisherName, ServiceCategory, "
            "which FOCUS 1.0 calls mandatory (1 rows)."
        ),
    ]
    assert run("import_focus", str(path), "--source", "aws").startswith("Nothing to do: import ")
    assert BillingPeriod.objects.count() == 1
