"""Corrections by people, one by one or many at once, and the second person who approves the large ones."""

from charges.adjusting.entering import adjust, attach_files, withdraw

__all__ = ["adjust", "attach_files", "withdraw"]
