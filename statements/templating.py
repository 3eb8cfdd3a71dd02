"""Renders templates: sandboxed, strict, and the institution's own folder before ours."""

import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel.dates import format_date
from babel.numbers import format_currency
from django.conf import settings
from django.utils import timezone
from jinja2 import FileSystemLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment

from charges.money import minor_unit, printed, round_to_currency
from periods.calendar import first_day
from periods.errors import Refused

LONGEST = 50_000_000  # characters that a template makes
MINUS = "\N{MINUS SIGN}"
ISOLATE, END = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_tries_drafts = ContextVar("tries_drafts", default=False)


def folders() -> tuple[Path, ...]:
    """Where templates and all that they refer to are looked up, in this order."""
    own = Path(settings.OCB_HOME) / "templates"
    found = own, settings.BASE_DIR / "templates"
    return (own / "drafts", *found) if _tries_drafts.get() else found


@contextmanager
def with_drafts() -> Iterator[None]:
    """Templates that are being changed count before those in use, for a preview."""
    token = _tries_drafts.set(True)
    try:
        yield
    finally:
        _tries_drafts.reset(token)


def environment(*, autoescape: bool) -> SandboxedEnvironment:
    searched = folders()
    return _environment(searched, autoescape, _own_files(searched))


def render(name: str, /, *, autoescape: bool, **context: Any) -> str:
    """The text that a template makes. Raises Refused naming the file and line that is wrong."""
    try:
        return "".join(_ending(environment(autoescape=autoescape).get_template(name).generate(context)))
    except Exception as error:
        why = str(error).rstrip(".") or type(error).__name__
        raise Refused(f"The template {_where(error, name)} cannot be used: {why}.") from error


def _ending(parts: Iterator[str]) -> Iterator[str]:
    """A loop within a loop may run for ever; what comes out of it does not."""
    left = LONGEST
    for part in parts:
        left -= len(part)
        if left < 0:
            raise ValueError(f"it makes more than {LONGEST:,} characters, as a loop within a loop may")
        yield part


def money(amount: Decimal, currency: str) -> str:
    """`$1,234.50`; what is smaller than a coin says so instead of reading as nothing."""
    coin = minor_unit(currency)
    if 0 < abs(amount) < coin:
        return f"< {_format(coin, currency)}" if amount > 0 else f"> {_format(-coin, currency)}"
    return _format(round_to_currency(amount, currency), currency)


def signed(amount: Decimal, currency: str) -> str:
    """Money with its sign always before it: what is added to or taken from a price."""
    return f"+{money(amount, currency)}" if amount > 0 else money(amount, currency)


def price(amount: Decimal, currency: str) -> str:
    """Every digit of it, as unit prices have them: `$0.0000046`."""
    return printed(amount, currency).replace("-", MINUS)


def month(text: str) -> str:
    """`2025-01` in words."""
    return format_date(first_day(text), "MMMM y", locale=settings.LOCALE)


def day(value: date | datetime) -> str:
    """A date in words, by the institution's clock."""
    local = timezone.localtime(value) if isinstance(value, datetime) else value
    return format_date(local, "long", locale=settings.LOCALE)


def _isolated(value: Any) -> Any:
    """Names written from right to left keep to themselves: the numbers and signs beside them stay where they are."""
    is_turned = type(value) is str and RIGHT_TO_LEFT.search(value)  # what a macro made is markup, and done already
    return f"{ISOLATE}{value}{END}" if is_turned else value


def _format(amount: Decimal, currency: str) -> str:
    return format_currency(amount, currency, locale=settings.LOCALE).replace("-", MINUS)


def _own_files(searched: Sequence[Path]) -> frozenset[Path]:
    """Jinja2 keeps the template that it found first, though one that goes before it was added since."""
    return frozenset(file for folder in searched[:-1] for file in folder.rglob("*"))


@lru_cache(maxsize=8)
def _environment(
    searched: Sequence[Path],
    autoescape: bool,  # noqa: FBT001 - a cache key
    _own: frozenset[Path],
) -> SandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(  # what a template could empty, it could keep from being checked
        loader=FileSystemLoader(searched),
        undefined=StrictUndefined,
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_isolated if autoescape else None,  # HTML only: in a journal it would be a part of the name
    )
    made.filters.update(money=money, price=price, signed=signed, month=month, date=day)
    return made


def _where(error: Exception, name: str) -> str:
    """The template's file and line: Jinja2 puts the lines of templates into the traceback."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.filename or name}, line {error.lineno},"
    if isinstance(error, TemplateNotFound):
        return f"{name} (or one that it names)"
    searched = tuple(str(folder) for folder in folders())
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(searched)]
    return f"{frames[-1].filename}, line {frames[-1].lineno}," if frames else name
