from statements.admin import delivery, dispute, journal, period, seal, statement

__all__ = ["delivery", "dispute", "journal", "period", "seal", "statement"]
