from charges.admin import adjustment, charge, focus_import, import_issue, payers, rules, source

__all__ = ["adjustment", "charge", "focus_import", "import_issue", "payers", "rules", "source"]
