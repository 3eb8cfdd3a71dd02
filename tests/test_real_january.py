"""A real month of files, walked to its seal by the commands that cron runs."""

import csv
import json
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from charges.models import Charge, ImportIssue
from statements.models import Seal, Statement, StatementLine

SOURCES = {  # rows, list, due
    "aws": (25, "22455.00", "19086.75"),
    "azure": (4, "865.00", "735.25"),
    "hpc": (9, "8200.00", "0.00"),
    "it_storage": (6, "360.00", "360.00"),
    "storage": (15, "380.00", "45.00"),
}
PROJECTS = {  # charges, list, discount, due
    "labor-economics": (6, "830.00", "-118.25", "711.75"),
    "cfd-turbulence": (5, "3665.00", "-3660.00", "5.00"),
    "alzheimers-biomarkers": (8, "2480.00", "-724.25", "1755.75"),
    "neuroimaging-atlas": (7, "4400.00", "-646.25", "3753.75"),
    "exoplanet-survey": (6, "6005.00", "-905.00", "5100.00"),
    "climate-modeling": (6, "2530.00", "-2517.50", "12.50"),
    "ocean-circulation": (7, "3275.00", "-1582.00", "1693.00"),
    "quantum-materials": (6, "1470.00", "-734.75", "735.25"),
    "genomics-sequencing": (5, "2720.00", "-412.25", "2307.75"),
    "protein-folding-ml": (3, "4885.00", "-732.75", "4152.25"),
}
SEALED_TABLES = (
    "charges_charge",
    "charges_focusimport",
    "statements_statement",
    "statements_statementline",
    "statements_archiveddocument",
    "statements_journal",
    "statements_journalline",
    "statements_seal",
)

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def run_json(*arguments: str) -> dict:
    return json.loads(run(*arguments, "--json"))


def execute(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture
def files(shared_data) -> dict[str, Path]:
    return {name: shared_data / "openchargeback" / f"{name}_2025-01.csv" for name in SOURCES}


@pytest.fixture
def journal(files, home, settings) -> list[dict[str, str]]:
    """January, finalized; gives the journal's lines."""
    settings.EMAIL_BACKEND = "ocb_project.file_mail.EmailBackend"
    for name, file in files.items():
        run("import_focus", str(file), "--source", name)
    run("close_period", "2025-01")
    run("issue_statements", "2025-01")
    run("render_statements", "2025-01", "--workers", "1")
    run("email_statements", "2025-01")
    run("export_journal", "2025-01", "--template", "generic", "--output", str(home / "journal.csv"))
    run("acknowledge_journal", "2025-01", "--reference", "GL-4711")
    run("finalize_period", "2025-01")
    with (home / "journal.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_import_reports_the_exact_totals_of_each_file(files):
    reports = {name: run_json("import_focus", str(file), "--source", name) for name, file in files.items()}
    assert {
        name: (
            report["loaded"],
            report["quarantined"],
            report["flagged"],
            report["list_cost"],
            report["effective_cost"],
        )
        for name, report in reports.items()
    } == {name: (rows, 0, 0, list_cost, due) for name, (rows, list_cost, due) in SOURCES.items()}


def test_the_same_file_again_changes_nothing(files):
    first = run_json("import_focus", str(files["aws"]), "--source", "aws")
    again = run_json("import_focus", str(files["aws"]), "--source", "aws")
    assert again == {**first, "added": 0, "unchanged": 25}


def test_january_is_walked_to_its_seal(journal, home):
    status = run_json("period_status", "2025-01")
    assert {
        name: status[name] for name in ("state", "charges", "flagged", "list", "discount", "due", "statements")
    } == {
        "state": "finalized",
        "charges": 59,
        "flagged": 0,
        "list": "32260.00",
        "discount": "-12033.00",
        "due": "20227.00",
        "statements": 10,
    }
    assert status["journal"] == {"debits": "20227.00", "credits": "20227.00", "acknowledged": True}
    assert status["blockers"] == {"close": [], "finalize": []}
    assert {
        statement.project_code: (
            sum(line.charges for line in statement.lines.all()),
            str(statement.list_amount.quantize(Decimal("0.01"))),
            str(statement.discount.quantize(Decimal("0.01"))),
            str(statement.due_amount.quantize(Decimal("0.01"))),
        )
        for statement in Statement.objects.current()
    } == PROJECTS
    assert sum(Decimal(line["debit"] or 0) for line in journal) == Decimal("20227.00")
    assert sum(Decimal(line["credit"] or 0) for line in journal) == Decimal("20227.00")
    assert len(list(home.glob("statements/**/*.pdf"))) == 10
    assert len(list((home / "mail").iterdir())) == 7
    assert Seal.objects.get().head in run("verify_ledger")


def test_a_finalized_january_refuses_every_change_and_names_a_forged_one(journal, files, tmp_path):
    changed = tmp_path / "aws_2025-01.csv"
    changed.write_text(files["aws"].read_text().replace("1250.00", "1251.00"))
    with pytest.raises(CommandError, match="January 2025 is finalized"):
        run("import_focus", str(changed), "--source", "aws")
    charge = Charge.objects.filter(project__code="climate-modeling").first()
    charge.list_amount += 1
    with pytest.raises(DatabaseError), transaction.atomic():
        charge.save()
    with pytest.raises(DatabaseError), transaction.atomic():
        StatementLine.objects.update(due_amount=0)
    for table in SEALED_TABLES:
        with pytest.raises(DatabaseError):
            execute(f"UPDATE {table} SET id = id")
    with pytest.raises(DatabaseError):
        execute("UPDATE periods_billingperiod SET state = 'open'")
    assert run("verify_ledger", "2025-01")
    drop_guards("charges_charge")
    execute(f"UPDATE charges_charge SET due_amount = due_amount + 1 WHERE id = {charge.pk}")
    findings = StringIO()
    with pytest.raises(CommandError) as failure:
        call_command("verify_ledger", stdout=StringIO(), stderr=findings)
    assert failure.value.returncode == 1
    assert f"charge {charge.pk} " in findings.getvalue() + str(failure.value)


def drop_guards(table: str) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", [table])
            suffix = ""
        else:
            cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal", [table])
            suffix = f" ON {table}"
        names = [name for (name,) in cursor.fetchall()]
        assert names
        for name in names:
            cursor.execute(f'DROP TRIGGER "{name}"{suffix}')


def test_cloud_rows_without_tags_are_held_and_none_is_dropped(shared_data):
    report = run_json("import_focus", str(shared_data / "focus_sample_1000.csv"), "--source", "clouds")
    assert report["rows"] == report["loaded"] + report["quarantined"] == 1000
    assert report["periods"] == ["2024-09", "2024-10"]
    assert {name: Decimal(report[name]) for name in ("billed_cost", "effective_cost", "list_cost")} == {
        "billed_cost": Decimal("20.52022672899"),
        "effective_cost": Decimal("14.97651418586"),
        "list_cost": Decimal("20.39090575119"),
    }
    prepaid = Charge.objects.filter(review_status="not_billable").count()
    assert Charge.objects.held().count() + prepaid + ImportIssue.objects.count() == 1000
    assert report["flagged"] == Charge.objects.held().count()


def test_held_charges_are_on_no_statement(shared_data):
    run("import_focus", str(shared_data / "focus_sample_1000.csv"), "--source", "clouds")
    run("close_period", "2024-09")
    run("issue_statements", "2024-09")
    assert Statement.objects.count() == 0
    assert run_json("period_status", "2024-09")["due"] == "0.00"
