from statements.admin import correction, delivery, dispute, journal, period, seal, statement, suppression

__all__ = ["correction", "delivery", "dispute", "journal", "period", "seal", "statement", "suppression"]
