"""Measures import and rendering on a made-up month. CPU seconds, because wall time depends on who else works."""

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from django.conf import settings

from periods.errors import Refused

MONTH = "2026-01"
PIS, PROJECTS = 300, 600
MEBIBYTE = 1024  # ru_maxrss counts kibibytes
SERVICES = (
    ("Amazon Elastic Compute Cloud", "Compute", "Hours", "i-"),
    ("Amazon Simple Storage Service", "Storage", "GB-Months", "bucket-"),
    ("Amazon Relational Database Service", "Databases", "Hours", "db-"),
    ("Amazon SageMaker", "AI and Machine Learning", "Hours", "notebook-"),
    ("AWS Data Transfer", "Networking", "GB", "eni-"),
)


@dataclass(frozen=True, slots=True)
class Usage:
    cpu: float
    peak: float  # MiB


@dataclass(frozen=True, slots=True)
class Result:
    rows: int
    size: int
    reading: float
    import_: Usage
    start: float
    statements: int
    rendering: Usage
    rendering_start: float

    def lines(self) -> list[tuple[str, str]]:
        importing = self.import_.cpu - self.start
        return [
            ("rows", f"{self.rows:,} of {self.size // self.rows} bytes"),
            ("import", f"{importing:.2f} CPU s, {self.rows / importing:,.0f} rows a CPU second"),
            ("reading the file with csv alone", f"{self.reading:.2f} CPU s; the import takes {importing / self.reading:.1f} times that"),
            ("peak memory of the import", f"{self.import_.peak:.0f} MiB"),
            ("start of a command, not counted above", f"{self.start:.2f} CPU s"),
            ("statement PDF", f"{(self.rendering.cpu - self.rendering_start) / self.statements:.2f} CPU s each, {self.statements} rendered"),
            ("peak memory of rendering", f"{self.rendering.peak:.0f} MiB"),
        ]  # fmt: skip


def bench(*, rows: int, statements: int) -> Result:
    """Import `rows` rows, and render `statements` PDFs of about thirty charges each, in a home of their own."""
    with tempfile.TemporaryDirectory(prefix="ocb-bench-") as folder:
        home = Path(folder)
        file, one, few = home / "month.csv", home / "one.csv", home / "few.csv"
        write_month(file, rows=rows)
        write_month(one, rows=1, month="2026-02")
        write_month(few, rows=statements * 30, projects=statements, month="2026-03")
        _run("migrate", "--verbosity", "0", home=home)
        start = _run("import_focus", str(one), "--source", "one", home=home)
        import_ = _run("import_focus", str(file), "--source", "cloud", home=home)
        _run("import_focus", str(few), "--source", "few", home=home)
        _run("close_period", "2026-03", home=home)
        _run("issue_statements", "2026-03", home=home)
        rendering = _run("render_statements", "2026-03", "--workers", "1", home=home)
        nothing_left = _run("render_statements", "2026-03", "--workers", "1", home=home)
        return Result(
            rows=rows,
            size=file.stat().st_size,
            reading=_reading(file),
            import_=import_,
            start=start.cpu,
            statements=statements,
            rendering=rendering,
            rendering_start=nothing_left.cpu,
        )


def write_month(file: Path, *, rows: int, projects: int = PROJECTS, month: str = MONTH) -> None:
    """The same bytes for the same arguments, so that two machines or two versions measure the same."""
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(_row(0, projects, month)))
        writer.writeheader()
        writer.writerows(_rows(rows, projects, month))


def _rows(rows: int, projects: int, month: str) -> Iterator[dict[str, str]]:
    return (_row(number, projects, month) for number in range(rows))


def _row(number: int, projects: int, month: str) -> dict[str, str]:
    service, category, unit, prefix = SERVICES[number % len(SERVICES)]
    project = number * 7 % projects
    pi = project % PIS
    day = number % 27 + 1
    quantity, price = Decimal(number % 997 + 1) / 8, Decimal(number % 89 + 1) / 10_000
    list_cost = quantity * price
    contracted = list_cost * Decimal("0.9")
    resource = f"{prefix}{number * 2654435761 % 2**32:08x}"
    return {
        "AvailabilityZone": "us-east-2a",
        "BilledCost": str(contracted),
        "BillingAccountId": "401122908873",
        "BillingAccountName": "Larkspur University",
        "BillingCurrency": settings.CURRENCY,
        "BillingPeriodEnd": f"{month[:5]}{int(month[5:]) + 1:02d}-01T00:00:00Z",
        "BillingPeriodStart": f"{month}-01T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": f"${price} per {unit} in US East (Ohio)",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": f"{month}-{day + 1:02d}T00:00:00Z",
        "ChargePeriodStart": f"{month}-{day:02d}T00:00:00Z",
        "CommitmentDiscountId": "",
        "CommitmentDiscountStatus": "",
        "ConsumedQuantity": str(quantity),
        "ConsumedUnit": unit,
        "ContractedCost": str(contracted),
        "ContractedUnitPrice": str(price * Decimal("0.9")),
        "EffectiveCost": str(contracted),
        "InvoiceIssuerName": "Amazon Web Services, Inc.",
        "ListCost": str(list_cost),
        "ListUnitPrice": str(price),
        "PricingCategory": "Standard",
        "PricingQuantity": str(quantity),
        "PricingUnit": unit,
        "ProviderName": "AWS",
        "PublisherName": "Amazon Web Services, Inc.",
        "RegionId": "us-east-2",
        "RegionName": "US East (Ohio)",
        "ResourceId": resource,
        "ResourceName": f"{resource}-{project}",
        "ServiceCategory": category,
        "ServiceName": service,
        "SkuId": f"SKU{number % 500:06d}",
        "SubAccountId": f"{510000000000 + project}",
        "SubAccountName": f"project-{project:04d}",
        "Tags": (
            f'{{"pi_email": "pi{pi:03d}@example.edu", "pi_name": "Investigator {pi:03d}", '
            f'"project_id": "project-{project:04d}", "project_name": "Study number {project:04d}", '
            f'"department": "Department of Studies {project % 40:02d}", "fund_org": "FUND-{project:04d}"}}'
        ),
    }


def _run(*arguments: str, home: Path) -> Usage:
    """What a command of its own process took."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR,
            env={**environment, "OCB_HOME": str(home)},
            stdout=log,
            stderr=log,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise Refused(log.read().decode())
    return Usage(cpu=used.ru_utime + used.ru_stime, peak=used.ru_maxrss / MEBIBYTE)


def _reading(file: Path) -> float:
    start = time.process_time()
    with file.open(newline="") as opened:
        for _ in csv.reader(opened):
            pass
    return time.process_time() - start
