"""Keeps the guards standing: lifted while tables are remade, back after every migrate, missed by `check`."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error

from statements import guards

ABSENT = "statements.E001"


def before_migrate(*, using: str, plan: Sequence[Any] = (), **kwargs: Any) -> None:
    if plan:
        guards.lift(using)


def after_migrate(*, using: str, **kwargs: Any) -> None:
    guards.install(using)


def guards_stand(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    return [
        Error(f"The guard {name} is missing or altered.", hint="Run: manage.py migrate", id=ABSENT)
        for using in databases or ()
        for name in guards.missing(using)
    ]
