from statements.admin import delivery, journal, period, seal, statement

__all__ = ["delivery", "journal", "period", "seal", "statement"]
