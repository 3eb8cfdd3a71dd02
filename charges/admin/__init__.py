from charges.admin import (
    adjustment,
    campaign,
    charge,
    focus_import,
    import_issue,
    payers,
    review_rules,
    reviewing,
    rules,
    source,
)

__all__ = [
    "adjustment",
    "campaign",
    "charge",
    "focus_import",
    "import_issue",
    "payers",
    "review_rules",
    "reviewing",
    "rules",
    "source",
]
