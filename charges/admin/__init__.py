from charges.admin import adjustment, charge, dispute, focus_import, import_issue, payers, rules, source

__all__ = ["adjustment", "charge", "dispute", "focus_import", "import_issue", "payers", "rules", "source"]
