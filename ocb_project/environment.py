"""Reads settings from the environment; a wrong value stops start-up with a sentence that says what to set."""

import os
import re
import secrets
import tempfile
from contextlib import suppress
from decimal import Decimal
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import environ
from babel import Locale, UnknownLocaleError
from babel.core import get_global
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

env = environ.Env()

SHORTEST_KEY = 50

WAL = "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA foreign_keys=ON;PRAGMA cache_size=-20000"


def home(base: Path) -> Path:
    """The one folder that holds all state: database, received files, PDFs, seals, mail, templates."""
    folder = Path(env.str("OCB_HOME", default=str(base / "var"))).expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"OCB_HOME is {str(folder)!r}, which cannot be used ({error.strerror}): "
            "set it to a folder that this user may write."
        ) from error
    return folder


def boolean(name: str, *, default: bool) -> bool:
    value = env.str(name, default=str(default)).strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off", ""}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}: set it to on or off.")


def whole_number(name: str, *, default: int) -> int:
    value = env.str(name, default=str(default)).strip()
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name} is {value!r}: set it to a whole number, 0 or more.")
    return int(value)


def amount(name: str) -> Decimal | None:
    """An amount of money; none where the setting is empty."""
    value = raw(name)
    if not re.fullmatch(r"([0-9]{1,12}(\.[0-9]{1,9})?)?", value):
        raise ImproperlyConfigured(f"{name} is {value!r}: set it to an amount such as 500 or 499.99, or to nothing.")
    return Decimal(value) if value else None


def matching(name: str, *, default: str, pattern: str, example: str) -> str:
    value = env.str(name, default=default).strip()
    if not re.fullmatch(pattern, value):
        raise ImproperlyConfigured(f"{name} is {value!r}: set it to a value such as {example}.")
    return value


def address(name: str, *, default: str) -> str:
    """An e-mail address, with or without a name before it."""
    value = env.str(name, default=default).strip()
    if value:
        _require_address(name, value, "billing@university.edu")
    return value or default


def addresses(name: str) -> list[str]:
    """Any number of e-mail addresses, separated by commas."""
    found = [entry.strip() for entry in env.list(name, default=[]) if entry.strip()]
    for entry in found:
        _require_address(name, entry, "billing@university.edu,audit@university.edu")
    return found


def _require_address(name: str, value: str, example: str) -> None:
    try:
        validate_email(parseaddr(value)[1])
    except ValidationError as error:
        raise ImproperlyConfigured(f"{name} is {value!r}: set it to an address such as {example}.") from error


def names(name: str, *, default: list[str], most: int) -> list[str]:
    found = [entry.strip() for entry in env.list(name, default=default) if entry.strip()]
    if len(found) > most:
        raise ImproperlyConfigured(f"{name} has {len(found)} entries: set it to {most} at most, separated by commas.")
    return found


def file_in(name: str, *folders: Path) -> str:
    """A file that lies in one of the folders, by its path there; or none."""
    value = env.str(name, default="").strip()
    inside = [file for folder in folders if (file := (folder / value).resolve()).is_relative_to(folder.resolve())]
    if value and not any(file.is_file() for file in inside):
        raise ImproperlyConfigured(f"{name} is {value!r}: put a file of that name into {folders[0]}, or unset it.")
    return value


def currency() -> str:
    value = env.str("CURRENCY", default="USD").strip()
    if value not in get_global("all_currencies"):
        raise ImproperlyConfigured(f"CURRENCY is {value!r}: set it to an ISO 4217 code such as USD.")
    return value


def locale() -> str:
    """How amounts and dates are written, which is no matter of language alone: 1,234.50 or 1.234,50."""
    value = env.str("LOCALE", default="en_US").strip()
    try:
        return str(Locale.parse(value))
    except (ValueError, UnknownLocaleError) as error:
        raise ImproperlyConfigured(f"LOCALE is {value!r}: set it to a value such as en_US.") from error


def raw(name: str) -> str:
    """As it stands: `env` takes what begins with $ for another variable's name."""
    return os.environ.get(name, "").strip()


def webhook_secret(name: str) -> str:
    """What a provider signs in with when it reports; a secret, so a wrong one is not repeated."""
    value = raw(name)
    if value and not re.fullmatch(r"[^:\s]+:[^:\s]{16,}", value):
        raise ImproperlyConfigured(f"{name} is not usable: set it to a name, a colon and 16 random letters or more.")
    return value


def mapping(name: str) -> dict[str, Any]:
    """A JSON object. It holds keys of other services, so a wrong one is not repeated."""
    try:
        value = env.json(name, default={})
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is no JSON: set it to an object such as {{}}.") from error
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f"{name} is no JSON object: set it to an object such as {{}}.")
    return value


def time_zone() -> str:
    """The institution's time zone: fund validity and printed dates follow it; storage is UTC."""
    name = env.str("TIME_ZONE", default="UTC")
    if name not in available_timezones():
        raise ImproperlyConfigured(f"TIME_ZONE is {name!r}: set it to a name such as America/Chicago.")
    return ZoneInfo(name).key


def secret_key(folder: Path) -> str:
    """SECRET_KEY, or one generated once and kept where only its owner reads it."""
    given = env.str("SECRET_KEY", default="")
    if given and len(given) < SHORTEST_KEY:
        raise ImproperlyConfigured(
            f"SECRET_KEY has fewer than {SHORTEST_KEY} characters: set a long random one, or none to have it made."
        )
    if given:
        return given
    return kept_secret(folder / "secret_key", length=64)


def kept_secret(file: Path, *, length: int) -> str:
    """Random text, made once and kept where only its owner reads it. Of two that start at once, one wins."""
    if not file.exists():
        descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=".secret-")
        with os.fdopen(descriptor, "w") as opened:
            opened.write(secrets.token_urlsafe(length))
        with suppress(FileExistsError):
            os.link(draft, file)
        Path(draft).unlink()
    return file.read_text()


def database(folder: Path) -> dict[str, Any]:
    """SQLite in OCB_HOME unless DATABASE_URL names a PostgreSQL server.

    SQLite writes under WAL with IMMEDIATE transactions: a transaction that reads before it writes
    would otherwise fail with "database is locked" as soon as two people work at once.
    """
    url = env.str("DATABASE_URL", default=f"sqlite:///{folder / 'db.sqlite3'}")
    try:
        settings = environ.Env.db_url_config(url)
    except (environ.ImproperlyConfigured, ValueError, KeyError) as error:
        raise ImproperlyConfigured(_wrong_database(url)) from error
    if settings.get("ENGINE") == "django.db.backends.sqlite3":
        settings["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": WAL}
    elif settings.get("ENGINE") == "django.db.backends.postgresql":
        settings.setdefault("OPTIONS", {}).setdefault("options", "-c lock_timeout=20s")  # as SQLite's timeout
    else:
        raise ImproperlyConfigured(_wrong_database(url))
    return dict(settings)


def _wrong_database(url: str) -> str:
    scheme = url.partition(":")[0]
    return (
        f"DATABASE_URL (scheme {scheme!r}) is not usable: set it to sqlite:////path/to/db.sqlite3 "
        "or postgres://user:password@host:5432/name."
    )
