"""Corrections by people, one by one or many at once, and the second person who approves the large ones."""

from charges.adjusting.entering import adjust, withdraw

__all__ = ["adjust", "withdraw"]
