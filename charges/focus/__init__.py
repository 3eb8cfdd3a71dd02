"""FOCUS, the specification: columns, headers and the meaning of texts. It knows nothing of deliveries or charges."""

from charges.focus.columns import COLUMNS, COSTS, TEXTS, Column
from charges.focus.header import Header
from charges.focus.values import NULLABLE, NULLS, canonical, is_known

__all__ = ["COLUMNS", "COSTS", "NULLABLE", "NULLS", "TEXTS", "Column", "Header", "canonical", "is_known"]
