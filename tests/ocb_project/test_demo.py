"""The newcomer's month: what it holds, and that making it harms nobody."""

import csv
import gzip
from decimal import Decimal
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from charges.models import Charge, ImportIssue, PrincipalInvestigator, Project, Source
from ocb_project import demo
from periods.blockers import checklist
from periods.models import AuditEntry, BillingPeriod
from statements.models import Journal, Statement
from statements.verifying import verify_ledger
from tests.make import make_source

FILES = {  # rows, exact sums of list and effective cost of all rows whose amounts can be read
    "aws_2026-09.csv.gz": (36, "3704.4755364", "1525.03525348800000000005"),
    "aws_2026-10.csv.gz": (38, "4434.5827364", "2226.94187748800000000005"),
    "azure_2026-09.csv": (13, "306.8936", "306.8936"),
    "azure_2026-10.csv": (13, "322.9032", "322.9032"),
    "cluster_2026-08.csv": (20, "14568.85", "0"),
    "cluster_2026-09.csv": (20, "18045.00", "0"),
    "cluster_2026-10.csv": (13, "15861.60", "0"),
    "storage_2026-08.csv": (13, "1475.50", "1240.00"),
    "storage_2026-09.csv": (13, "1645.00", "1409.50"),
    "storage_2026-10.csv": (13, "1753.00", "1517.50"),
}
SEPTEMBER = {  # list, discount, due
    "bridge-sensors": ("109.57", "-45.77", "63.80"),
    "catalyst-screening": ("2832.40", "-2777.47", "54.93"),
    "dark-photons": ("5341.13", "-5230.81", "110.32"),
    "maize-genome": ("3639.09", "-1893.21", "1745.88"),
    "malaria-models": ("366.10", "-246.22", "119.88"),
    "minority-languages": ("1708.50", "-1557.00", "151.50"),
    "paleo-ice": ("1096.05", "-869.00", "227.05"),
    "port-traffic": ("14.30", "-9.88", "4.42"),
    "seed-bank": ("209.00", "-19.00", "190.00"),
    "sleep-spindles": ("1185.74", "-705.57", "480.17"),
    "storm-tracks": ("2450.00", "-2450.00", "0.00"),
    "wind-tunnel": ("3039.50", "-2954.00", "85.50"),
}
OCTOBER_FLAGS = (
    *("missing_pi", "missing_project", "missing_fund") * 3,  # two untagged resources and a tax
    "missing_fund",
    "no_list_price",
)


@pytest.fixture(autouse=True)
def mail_to_files(settings):
    settings.EMAIL_BACKEND = "ocb_project.file_mail.EmailBackend"


def run() -> str:
    out = StringIO()
    call_command("demo", stdout=out)
    return out.getvalue()


def amounts(statement: Statement) -> tuple[str, str, str]:
    figures = (statement.list_amount, statement.discount, statement.due_amount)
    return tuple(f"{amount:.2f}" for amount in figures)


def sums(name: str) -> tuple[int, Decimal, Decimal]:
    file = demo.SAMPLE / name
    with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as opened:
        rows = list(csv.DictReader(opened))
    read = [row for row in rows if "$" not in row["EffectiveCost"]]
    return (
        len(rows),
        sum(Decimal(row["ListCost"] or 0) for row in read),
        sum(Decimal(row["EffectiveCost"]) for row in read),
    )


def test_sample_files_hold_what_is_documented():
    found = {file.name: sums(file.name) for file in demo.SAMPLE.iterdir()}
    assert found == {name: (rows, Decimal(list_), Decimal(due)) for name, (rows, list_, due) in FILES.items()}


@pytest.mark.django_db(transaction=True)
def test_demo_seals_a_month_walks_one_and_leaves_one_open(home):
    report = run()
    months = (demo.SEALED, demo.WALKED, demo.OPEN)
    august, september, october = (BillingPeriod.objects.of_month(month) for month in months)
    statements = Statement.objects.current().filter(period=september)
    assert {statement.project_code: amounts(statement) for statement in statements} == SEPTEMBER
    assert (august.state, september.state, october.state) == ("finalized", "closed", "open")
    assert verify_ledger() == []
    assert (PrincipalInvestigator.objects.count(), Project.objects.count(), Source.objects.count()) == (9, 12, 5)
    assert len(list(home.glob("statements/**/*.pdf"))) == 24
    assert len(list((home / "mail").glob("*.eml"))) == 9
    journals = Journal.objects.order_by("pk").values_list("period__month", "state")
    assert list(journals) == [(demo.SEALED, "acknowledged"), (demo.WALKED, "exported")]
    assert not Charge.objects.held().filter(period=september).exists()
    assert sorted(flag for charge in Charge.objects.held() for flag in charge.flags) == sorted(OCTOBER_FLAGS)
    assert ImportIssue.objects.filter(period=october, status="open").count() == 2
    assert [blocker.is_warning for blocker in checklist(october, "close")].count(False) == 1
    assert "storm-tracks" in report and "$2,450.00" in report  # noqa: PT018
    password = (home / "demo_password").read_text()
    assert User.objects.get(username="admin").check_password(password)
    assert (home / "demo_password").stat().st_mode & 0o777 == 0o600

    written = AuditEntry.objects.count()
    again = run()
    assert again.splitlines()[0] == "The demo was made before; nothing was changed."
    assert again.splitlines()[1:] == report.splitlines()[-len(again.splitlines()) + 1 :]
    assert AuditEntry.objects.count() == written


@pytest.mark.django_db
def test_demo_refuses_a_database_with_data_of_its_own(home):
    make_source("aws")
    with pytest.raises(CommandError) as refusal:
        run()
    assert str(refusal.value) == (
        "This database holds data of its own: set OCB_HOME to an empty folder to make the demo."
    )
    assert not User.objects.exists()


@pytest.mark.django_db
def test_demo_refuses_to_mail_anyone(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with pytest.raises(CommandError) as refusal:
        run()
    assert str(refusal.value) == "Mail would leave this machine: unset EMAIL_URL and EMAIL_BACKEND to make the demo."
