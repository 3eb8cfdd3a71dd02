"""A delivery comes in: its files are kept, its rows staged, and all of it becomes current, or none.

The way in is `import_files`, for the command and the upload page alike.
"""

from charges.importing.correcting import correct_row
from charges.importing.delivery import Delivery, import_files
from charges.importing.quarantine import discard_issues
from charges.importing.receiving import received_path
from charges.importing.undoing import discard, reverse, why_not_reversed

__all__ = [
    "Delivery",
    "correct_row",
    "discard",
    "discard_issues",
    "import_files",
    "received_path",
    "reverse",
    "why_not_reversed",
]
