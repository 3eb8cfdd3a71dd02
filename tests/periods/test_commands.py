"""The contract for cron: exit 0 done, 1 refused with the reason on stderr, 2 bad usage."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, ManagementUtility, call_command

from charges.models import Source
from periods.blockers import checklist
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
        "  engine: 1 row new or changed, 0 changed or gone, list +100.00, due +80.00 USD",
        "  jan.csv line 3: EffectiveCost is no number: only digits, a minus, a decimal point and an exponent may stand here. It says “x”.",
        "Correct or discard them in the admin under Quarantine.",
        (
            "Note: The file has no column BillingAccountId, BillingAccountName, BillingCurrency, ChargeCategory, ChargeClass, "
            "ChargeDescription, InvoiceIssuerName, PricingQuantity, PricingUnit, ProviderName, PublisherName, ServiceCategory, "
            "which FOCUS 1.0 calls mandatory (1 row)."
        ),
    ]
    assert run("import_focus", str(path), "--source", "aws").startswith("Nothing to do: import ")
    assert BillingPeriod.objects.count() == 1


def test_a_dry_run_says_what_would_change_and_what_would_be_refused(tmp_path: Path) -> None:
    rows = [focus_row(ResourceId=f"i-{number}") for number in range(4)]
    run("import_focus", str(write_focus(tmp_path / "jan.csv", *rows)), "--source", "aws")
    Source.objects.update(fall_threshold=10)
    no_pi = focus_row(tags={"pi_email": "", "project_id": ""}, ResourceId="i-0")
    path = write_focus(tmp_path / "next.csv", rows[1], no_pi, focus_row(EffectiveCost="x"))

    said = run("import_focus", str(path), "--source", "aws", "--dry-run").splitlines()

    assert [line for line in said if not line.startswith(("Note", "Totals"))] == [
        "2025-01 aws: 3 rows, would load 2 (1 held for review), 1 in quarantine.",
        "Against what was there: 1 new, 0 changed, 3 gone, 1 unchanged.",
        "  engine: 0 rows new or changed, 3 changed or gone, list -300.00, due -240.00 USD",
        "  no project: 1 row new or changed, 0 changed or gone, list +100.00, due +80.00 USD",
        "Held among the new and changed rows: No PI (1), No project (1).",
        "  next.csv line 4: EffectiveCost is no number: only digits, a minus, a decimal point and an exponent may stand here. It says “x”.",
        "It would be refused: The delivery has 50 % fewer rows of 2025-01 than the last one. Use --force if that is right.",
    ]
    assert "It would be refused" not in run("import_focus", str(path), "--source", "aws", "--dry-run", "--force")


def test_what_came_late_is_said_wherever_the_month_is_looked_at(tmp_path: Path) -> None:
    Source.objects.create(name="aws", late_policy="keep")
    run("import_focus", str(write_focus(tmp_path / "jan.csv", focus_row())), "--source", "aws")
    run("close_period", "2025-01")
    path = write_focus(tmp_path / "next.csv", focus_row(), focus_row(ResourceId="i-9"))

    said = run("import_focus", str(path), "--source", "aws").splitlines()

    late = "2025-01 is closed, and 1 row differs from what it holds (list +100.00, due +80.00 USD): kept, not loaded."
    assert said[0] == "aws: 2 rows, loaded 0 (0 held for review), 0 in quarantine, 2 of closed months not loaded."
    assert [line for line in said if line.startswith("2025-01")] == [f"{late} Load it with --late-to."]
    status = run("period_status", "2025-01").splitlines()
    assert [line for line in status if line.startswith("Late")] == [f"Late        aws: {late} Load it with --late-to."]
    warnings = [
        blocker.sentence for blocker in checklist(BillingPeriod.objects.get(), "finalize") if blocker.is_warning
    ]
    [sentence] = [sentence for sentence in warnings if "late" in sentence]
    assert sentence == (
        "A file of aws came late and is not loaded: due +80.00 USD, 1 row differs. "
        "Load it with an open month for late differences."
    )

    run("import_focus", str(path), "--source", "aws", "--late-to", "2025-02")

    assert not [line for line in run("period_status", "2025-01").splitlines() if line.startswith("Late")]
