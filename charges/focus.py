"""The FOCUS cost-and-usage columns: what each holds, what it was called elsewhere, what becomes of it here.

Source: FOCUS specification 1.0, 1.1 and 1.2, column definitions; aliases from the 1.0 preview and real exports.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from periods.errors import Refused


@dataclass(frozen=True, slots=True)
class Column:
    """`stored` is the charge's field; without it the column stays in the received file."""

    name: str
    kind: str = "text"  # text, cost, number, date, tags
    since: str = "1.0"
    stored: str = ""
    aliases: tuple[str, ...] = ()


COLUMNS = (
    Column("AvailabilityZone"),
    Column("BilledCost", "cost", stored="billed_cost"),
    Column("BillingAccountId", stored="billing_account_id"),
    Column("BillingAccountName"),
    Column("BillingAccountType", since="1.2"),
    Column("BillingCurrency", stored="billing_currency"),
    Column("BillingPeriodEnd", "date"),
    Column("BillingPeriodStart", "date", stored="period"),
    Column("CapacityReservationId", since="1.1"),
    Column("CapacityReservationStatus", since="1.1"),
    Column("ChargeCategory", stored="charge_category", aliases=("ChargeType",)),
    Column("ChargeClass", stored="charge_class"),
    Column("ChargeDescription", stored="charge_description"),
    Column("ChargeFrequency"),
    Column("ChargePeriodEnd", "date", stored="charge_period_end"),
    Column("ChargePeriodStart", "date", stored="charge_period_start"),
    Column("CommitmentDiscountCategory"),
    Column("CommitmentDiscountId", stored="commitment_discount_id"),
    Column("CommitmentDiscountName"),
    Column("CommitmentDiscountQuantity", "number", since="1.1"),
    Column("CommitmentDiscountStatus", stored="commitment_discount_status"),
    Column("CommitmentDiscountType"),
    Column("CommitmentDiscountUnit", since="1.1"),
    Column("ConsumedQuantity", "number", aliases=("UsageQuantity",)),
    Column("ConsumedUnit", aliases=("UsageUnit",)),
    Column("ContractedCost", "cost", stored="contracted_cost"),
    Column("ContractedUnitPrice", "number"),
    Column("EffectiveCost", "cost", stored="effective_cost", aliases=("AmortizedCost",)),
    Column("InvoiceId", since="1.2", stored="invoice_id"),
    Column("InvoiceIssuerName", aliases=("InvoiceIssuer",)),
    Column("ListCost", "cost", stored="list_cost"),
    Column("ListUnitPrice", "number", stored="list_unit_price"),
    Column("PricingCategory"),
    Column("PricingCurrency", since="1.2"),
    Column("PricingCurrencyContractedUnitPrice", "number", since="1.2"),
    Column("PricingCurrencyEffectiveCost", "number", since="1.2"),
    Column("PricingCurrencyListUnitPrice", "number", since="1.2"),
    Column("PricingQuantity", "number", stored="pricing_quantity"),
    Column("PricingUnit", stored="pricing_unit"),
    Column("ProviderName", stored="provider_name", aliases=("ServiceProviderName", "Provider")),
    Column("PublisherName", aliases=("Publisher",)),
    Column("RegionId", aliases=("Region",)),
    Column("RegionName"),
    Column("ResourceId", stored="resource_id"),
    Column("ResourceName", stored="resource_name"),
    Column("ResourceType"),
    Column("ServiceCategory", stored="service_category"),
    Column("ServiceName", stored="service_name"),
    Column("ServiceSubcategory", since="1.1"),
    Column("SkuId", stored="sku_id"),
    Column("SkuMeter", since="1.1"),
    Column("SkuPriceDetails", since="1.1"),
    Column("SkuPriceId"),
    Column("SubAccountId", stored="sub_account_id"),
    Column("SubAccountName", stored="sub_account_name"),
    Column("SubAccountType", since="1.2"),
    Column("Tags", "tags"),
)

NULLS = frozenset({"", "NULL", "null", "(null)"})
COSTS = tuple(column.name for column in COLUMNS if column.kind == "cost")
TEXTS = {column.name: column.stored for column in COLUMNS if column.stored and column.kind in ("text", "number")}
AMOUNT_ENDINGS = ("cost", "price", "quantity")  # of columns that FOCUS does not define


def normalise(name: str) -> str:
    """Case, spaces and punctuation of a column name are of no matter: `Billed Cost` is BilledCost."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


STANDARD = {normalise(column.name): column for column in COLUMNS}
ALIASES = {normalise(alias): column for column in COLUMNS for alias in column.aliases}


def _is_amount(name: str) -> bool:
    known = STANDARD.get(normalise(name)) or ALIASES.get(normalise(name))
    return known.kind in ("cost", "number") if known else normalise(name).endswith(AMOUNT_ENDINGS)


@dataclass(frozen=True)
class Header:
    """Where each FOCUS column stands in one file. Order does not matter; unknown columns are kept in the file."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str]) -> "Header":
        """Raises Refused for a header that names a column twice, or lacks what no bill can do without."""
        header = cls(tuple(name.strip() for name in names))
        repeated = [name for name, n in Counter(map(normalise, header.names)).items() if n > 1 and name]
        if repeated:
            columns = ", ".join(STANDARD[name].name if name in STANDARD else name for name in repeated)
            raise Refused(f"The header names a column twice: {columns}.")
        if "BillingPeriodStart" not in header.positions:
            raise Refused("This is no FOCUS file: it has no column BillingPeriodStart.")
        if not {"EffectiveCost", "BilledCost"} & header.positions.keys():
            raise Refused("The file has neither of the columns EffectiveCost and BilledCost: there is nothing to bill.")
        return header

    @cached_property
    def positions(self) -> dict[str, int]:
        """FOCUS name → index. A column under its own name wins over one under an older name."""
        found: dict[str, int] = {}
        for index, name in enumerate(self.names):
            if alias := ALIASES.get(normalise(name)):
                found.setdefault(alias.name, index)
        for index, name in enumerate(self.names):
            if standard := STANDARD.get(normalise(name)):
                found[standard.name] = index
        return found

    @cached_property
    def identity(self) -> list[int]:
        """The columns that tell which usage a row is about: all but costs, quantities and prices, by name."""
        order = sorted(range(len(self.names)), key=lambda index: normalise(self.names[index]))
        return [index for index in order if not _is_amount(self.names[index])]

    def index(self, name: str) -> int:
        """Where a column stands that FOCUS does not define. Raises Refused."""
        for index, known in enumerate(self.names):
            if normalise(known) == normalise(name):
                return index
        raise Refused(f"The file has no column {name}, which tells the rows of this source apart.")

    @property
    def missing(self) -> list[str]:
        """Mandatory columns of FOCUS 1.0 that are absent: worth a warning, no reason to refuse."""
        return [name for name in ("ListCost", "ContractedCost", "ServiceName", "Tags") if name not in self.positions]
