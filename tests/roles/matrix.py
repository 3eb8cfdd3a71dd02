"""Reads the tables, and says where the product answers otherwise."""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from django.forms import BaseForm, MultiWidget
from django.urls import URLPattern

from tests.roles.tables import STAFF
from tests.roles.world import World

OUTSIDERS = ("anonymous", "ada", "S-by-code")  # for whom the admin has its sign-in, and nothing else


def rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines()]


def staff(letters: str, yes: int = 200, no: int = 403) -> dict[str, int | str]:
    """What each kind of person gets at an address of the admin."""
    return {who: yes if who in letters else no for who in STAFF} | dict.fromkeys(OUTSIDERS, "sign in")


def wrong(
    world: World, address: str, wanted: Mapping[str, int | str], answers: dict[str, Any] | None = None, *,
    writers: Container[str] = (), method: str = "",
) -> Iterator[str]:  # fmt: skip
    """Who gets another answer; who writes something though it must not, or writes nothing though it should."""
    for who, status in wanted.items():
        got = world.ask(who, address.format(**world.keys), answers, method)
        asked = f"{method or ('get' if answers is None else 'post')} {address} as {who}"
        if (answer := answered(got)) != status:
            yield f"{asked}: {answer}, not {status}"
        if bool(got.wrote) != (who in writers):
            yield f"{asked} wrote {got.wrote}"


def answered(response: Any) -> int | str:
    to_sign_in = response.get("Location", "").startswith(("/admin/login/?next=", "/sign-in/?next="))
    return "sign in" if to_sign_in else response.status_code


def filled(forms: Iterable[BaseForm]) -> dict[str, Any]:
    """As a browser would send them, untouched."""
    found: dict[str, Any] = {}
    for bound in (bound for form in forms for bound in form):
        value, widget = bound.value(), bound.field.widget
        if isinstance(widget, MultiWidget):
            parts = zip(widget.widgets_names, widget.decompress(value), strict=True)
            found |= {f"{bound.html_name}{suffix}": part for suffix, part in parts}
        else:
            found[bound.html_name] = value
    return {name: value for name, value in found.items() if value is not None}


def routes(patterns: Iterable[Any], before: str = "") -> Iterator[str]:
    """Of every address that the product answers."""
    for pattern in patterns:
        route = before + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLPattern):
            yield route
        else:
            yield from routes(pattern.url_patterns, route)
