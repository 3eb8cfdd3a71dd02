"""The FOCUS cost-and-usage columns: what each holds, what it was called elsewhere, what becomes of it here.

Source: FOCUS specification 1.0 to 1.4, column definitions; aliases from the 1.0 preview and real exports.
"""

import re
from dataclasses import dataclass

VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4")


@dataclass(frozen=True, slots=True)
class Column:
    """`stored` is the charge's field; without it the column stays in the received file."""

    name: str
    kind: str  # text, cost, number, date, tags, or amounts: JSON that tells of amounts
    level: str  # mandatory, conditional, recommended
    nullable: bool = True
    since: str = "1.0"
    until: str = ""  # the version that deprecates it
    stored: str = ""
    aliases: tuple[str, ...] = ()

    def is_in(self, version: str) -> bool:
        return self.since <= version and not (self.until and version >= self.until)


COLUMNS = (
    Column("AllocatedMethodDetails", "amounts", "recommended", since="1.3"),
    Column("AllocatedMethodId", "text", "conditional", since="1.3"),
    Column("AllocatedResourceId", "text", "conditional", since="1.3"),
    Column("AllocatedResourceName", "text", "conditional", since="1.3"),
    Column("AllocatedTags", "tags", "conditional", since="1.3"),
    Column("AvailabilityZone", "text", "recommended"),
    Column("BilledCost", "cost", "mandatory", nullable=False, stored="billed_cost"),
    Column("BillingAccountId", "text", "mandatory", nullable=False, stored="billing_account_id"),
    Column("BillingAccountName", "text", "mandatory"),
    Column("BillingAccountType", "text", "conditional", nullable=False, since="1.2"),
    Column("BillingCurrency", "text", "mandatory", nullable=False, stored="billing_currency"),
    Column("BillingPeriodEnd", "date", "mandatory", nullable=False),
    Column("BillingPeriodStart", "date", "mandatory", nullable=False, stored="period"),
    Column("CapacityReservationId", "text", "conditional", since="1.1"),
    Column("CapacityReservationStatus", "text", "conditional", since="1.1"),
    Column("ChargeCategory", "text", "mandatory", nullable=False, stored="charge_category", aliases=("ChargeType",)),
    Column("ChargeClass", "text", "mandatory", stored="charge_class"),
    Column("ChargeDescription", "text", "mandatory", stored="charge_description"),
    Column("ChargeFrequency", "text", "recommended", nullable=False),
    Column("ChargePeriodEnd", "date", "mandatory", nullable=False, stored="charge_period_end"),
    Column("ChargePeriodStart", "date", "mandatory", nullable=False, stored="charge_period_start"),
    Column("CommitmentDiscountCategory", "text", "conditional"),
    Column("CommitmentDiscountId", "text", "conditional", stored="commitment_discount_id"),
    Column("CommitmentDiscountName", "text", "conditional"),
    Column("CommitmentDiscountQuantity", "number", "conditional", since="1.1"),
    Column("CommitmentDiscountStatus", "text", "conditional", stored="commitment_discount_status"),
    Column("CommitmentDiscountType", "text", "conditional"),
    Column("CommitmentDiscountUnit", "text", "conditional", since="1.1"),
    Column("CommitmentProgramEligibilityDetails", "text", "conditional", since="1.4"),
    Column("ConsumedQuantity", "number", "conditional", aliases=("UsageQuantity",)),
    Column("ConsumedUnit", "text", "conditional", aliases=("UsageUnit",)),
    Column("ContractApplied", "amounts", "conditional", since="1.3"),
    Column("ContractedCost", "cost", "mandatory", nullable=False, stored="contracted_cost"),
    Column("ContractedUnitPrice", "number", "conditional"),
    Column("EffectiveCost", "cost", "mandatory", nullable=False, stored="effective_cost", aliases=("AmortizedCost",)),
    Column("HostProviderName", "text", "mandatory", since="1.3"),
    Column("InvoiceDetailId", "text", "conditional", since="1.4"),
    Column("InvoiceId", "text", "conditional", since="1.2", stored="invoice_id"),
    Column("InvoiceIssuerName", "text", "mandatory", nullable=False, aliases=("InvoiceIssuer",)),
    Column("ListCost", "cost", "mandatory", nullable=False, stored="list_cost"),
    Column("ListUnitPrice", "number", "conditional", stored="list_unit_price"),
    Column("PricingCategory", "text", "conditional"),
    Column("PricingCurrency", "text", "conditional", nullable=False, since="1.2"),
    Column("PricingCurrencyContractedUnitPrice", "number", "conditional", since="1.2"),
    Column("PricingCurrencyEffectiveCost", "number", "conditional", nullable=False, since="1.2"),
    Column("PricingCurrencyListUnitPrice", "number", "conditional", since="1.2"),
    Column("PricingQuantity", "number", "mandatory", stored="pricing_quantity"),
    Column("PricingUnit", "text", "mandatory", stored="pricing_unit"),
    Column(
        "ProviderName", "text", "mandatory", nullable=False, until="1.3", stored="provider_name", aliases=("Provider",)
    ),
    Column("PublisherName", "text", "mandatory", nullable=False, until="1.3", aliases=("Publisher",)),
    Column("RegionId", "text", "conditional", aliases=("Region",)),
    Column("RegionName", "text", "conditional"),
    Column("ResourceId", "text", "conditional", stored="resource_id"),
    Column("ResourceName", "text", "conditional", stored="resource_name"),
    Column("ResourceType", "text", "conditional"),
    Column("ServiceCategory", "text", "mandatory", nullable=False, stored="service_category"),
    Column("ServiceName", "text", "mandatory", nullable=False, stored="service_name"),
    Column("ServiceProviderName", "text", "mandatory", nullable=False, since="1.3", stored="provider_name"),
    Column("ServiceSubcategory", "text", "recommended", nullable=False, since="1.1"),
    Column("SkuId", "text", "conditional", stored="sku_id"),
    Column("SkuMeter", "text", "conditional", since="1.1"),
    Column("SkuPriceDetails", "text", "conditional", since="1.1"),
    Column("SkuPriceId", "text", "conditional"),
    Column("SubAccountId", "text", "conditional", stored="sub_account_id"),
    Column("SubAccountName", "text", "conditional", stored="sub_account_name"),
    Column("SubAccountType", "text", "conditional", since="1.2"),
    Column("Tags", "tags", "conditional"),
)


def normalise(name: str) -> str:
    """Case, spaces and punctuation of a column name are of no matter: `Billed Cost` is BilledCost."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


STANDARD = {normalise(column.name): column for column in COLUMNS}
ALIASES = {normalise(alias): column for column in COLUMNS for alias in column.aliases}
COSTS = tuple(column.name for column in COLUMNS if column.kind == "cost")
# Of two that fill one field, the later one counts: ServiceProviderName before the deprecated ProviderName.
TEXTS = {column.name: column.stored for column in COLUMNS if column.stored and column.kind in ("text", "number")}
