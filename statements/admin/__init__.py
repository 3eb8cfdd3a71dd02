from statements.admin import seal, statement

__all__ = ["seal", "statement"]
