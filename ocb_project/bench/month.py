"""A made-up month of a cloud: the same bytes for the same arguments, so that two machines measure the same."""

import csv
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from django.conf import settings

MONTH = "2026-01"
PIS, PROJECTS = 300, 600
SERVICES = (
    ("Amazon Elastic Compute Cloud", "Compute", "Hours", "i-"),
    ("Amazon Simple Storage Service", "Storage", "GB-Months", "bucket-"),
    ("Amazon Relational Database Service", "Databases", "Hours", "db-"),
    ("Amazon SageMaker", "AI and Machine Learning", "Hours", "notebook-"),
    ("AWS Data Transfer", "Networking", "GB", "eni-"),
)


def write_month(file: Path, *, rows: int, projects: int = PROJECTS, month: str = MONTH, changed_every: int = 0) -> None:
    """Rows of 38 FOCUS columns and some 700 bytes; with `changed_every` 100, one in a hundred costs twice as much."""
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(_row(0, projects, month, is_changed=False)))
        writer.writeheader()
        writer.writerows(_rows(rows, projects, month, changed_every))


def _rows(rows: int, projects: int, month: str, changed_every: int) -> Iterator[dict[str, str]]:
    for number in range(rows):
        is_changed = bool(changed_every) and number % changed_every == 0
        yield _row(number, projects, month, is_changed=is_changed)


def _row(number: int, projects: int, month: str, *, is_changed: bool) -> dict[str, str]:
    service, category, unit, prefix = SERVICES[number % len(SERVICES)]
    project = number * 7 % projects
    pi = project % PIS
    day = number % 27 + 1
    quantity, price = Decimal(number % 997 + 1) / 8, Decimal(number % 89 + 1) / 10_000
    quantity *= 2 if is_changed else 1
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
