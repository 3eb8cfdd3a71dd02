"""Groups and their permissions."""

from typing import Any


def after_migrate(**kwargs: Any) -> None: ...
