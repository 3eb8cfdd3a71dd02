"""Tells an import that is being read right now from one whose process died.

A lock that the system itself drops with the process says so exactly; a time limit would only guess.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from charges.models import FocusImport
from periods import storage

NAMESPACE = 0x0CB  # of our advisory locks on PostgreSQL
ATTEMPTS, PAUSE = 10, 0.2  # seconds


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
        return not any(_is_free(focus_import.pk, attempt) for attempt in range(ATTEMPTS))
    path = _lock_path(focus_import.pk)
    try:
        file = path.open()
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        path.unlink(missing_ok=True)  # nobody takes the lock of an import again
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


def _is_free(key: int, attempt: int) -> bool:
    """The server notices a moment later than we that a client was killed, so a held lock is asked for again."""
    if attempt:
        time.sleep(PAUSE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock_shared(%s, %s)", [NAMESPACE, key])
        [is_free] = cursor.fetchone()
        if is_free:
            cursor.execute("SELECT pg_advisory_unlock_shared(%s, %s)", [NAMESPACE, key])
    return bool(is_free)


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
