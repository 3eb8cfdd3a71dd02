from statements.admin import correction, delivery, dispute, journal, period, seal, statement

__all__ = ["correction", "delivery", "dispute", "journal", "period", "seal", "statement"]
