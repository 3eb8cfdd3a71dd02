from charges.admin import adjustment, charge, dispute, payers, rules, source

__all__ = ["adjustment", "charge", "dispute", "payers", "rules", "source"]
