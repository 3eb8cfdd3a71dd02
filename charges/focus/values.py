"""What texts of FOCUS files mean: nulls, and the allowed values of the columns that decide what a row costs."""

from charges.focus.columns import COLUMNS

NULLS = frozenset({"", "NULL", "null", "(null)"})
NULLABLE = {column.stored for column in COLUMNS if column.stored and column.nullable}  # fields of text
ALLOWED = {
    "charge_category": ("Usage", "Purchase", "Tax", "Credit", "Adjustment"),
    "charge_class": ("Correction",),
    "commitment_discount_status": ("Used", "Unused"),
}
_SPELT = {field: {value.casefold(): value for value in values} for field, values in ALLOWED.items()}


def canonical(field: str, text: str) -> str:
    """As FOCUS spells it, whatever the case; what FOCUS does not know stays as it is."""
    return _SPELT[field].get(text.strip().casefold(), text)


def account(text: str) -> str:
    """A billing account: providers write one in capitals here and in small letters there, and none as NULL."""
    text = text.strip()
    return "" if text in NULLS else text.lower()


def is_known(field: str, text: str) -> bool:
    return text in ("", *ALLOWED[field])
