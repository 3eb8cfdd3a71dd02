"""Tells an import that is being read right now from one whose process died.

A lock that the system itself drops with the process says so exactly; a time limit would only guess.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from charges.models import FocusImport
from periods import storage

NAMESPACE = 0x0CB  # of our advisory locks on PostgreSQL


@contextmanager
def running(focus_import: FocusImport) -> Iterator[None]:
    """Hold the import's lock while it is read and loaded."""
    if connection.vendor == "postgresql":
        with _advisory_lock(focus_import.pk):
            yield
    else:
        with _file_lock(focus_import.pk):
            yield


def is_running(focus_import: FocusImport) -> bool:
    if connection.vendor == "postgresql":
        return not _try("pg_try_advisory_lock_shared", "pg_advisory_unlock_shared", focus_import.pk)
    path = _lock_path(focus_import.pk)
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def _advisory_lock(key: int) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [NAMESPACE, key])
    try:
        yield
    finally:
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [NAMESPACE, key])


def _try(lock: str, unlock: str, key: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {lock}(%s, %s)", [NAMESPACE, key])
        [got] = cursor.fetchone()
        if got:
            cursor.execute(f"SELECT {unlock}(%s, %s)", [NAMESPACE, key])
    return bool(got)


@contextmanager
def _file_lock(key: int) -> Iterator[None]:
    path = _lock_path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _lock_path(key: int) -> Path:
    return storage.home() / "locks" / f"import-{key}"
