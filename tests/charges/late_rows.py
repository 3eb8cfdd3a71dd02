"""Rows of a month, by what they cost."""

from tests.charges.focus_files import focus_row


def of(month: str, resource: str, due: str, **columns) -> dict:
    return focus_row(
        BillingPeriodStart=f"{month}-01", ChargePeriodStart=f"{month}-01", ResourceId=resource, ListCost=due,
        ContractedCost=due, BilledCost=due, EffectiveCost=due, **columns,
    )  # fmt: skip


def january(resource: str, due: str) -> dict:
    return of("2025-01", resource, due)
