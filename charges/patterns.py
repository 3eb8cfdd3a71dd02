"""Regular expressions that staff write: matched in time that grows with the text alone, whatever the pattern.

Python's own can take for ever on one text: `(a+)+$` would stop every import. RE2 has no look-around and no
back-references in return.
"""

from functools import cache
from typing import Any

import re2


@cache
def compiled(text: str, *, ignores_case: bool = False) -> Any:
    """As `re.compile` gives it. Raises ValueError."""
    options = re2.Options()
    options.case_sensitive, options.log_errors = not ignores_case, False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise ValueError(reason) from error
