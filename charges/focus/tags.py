"""Tags as exporters write them: a JSON object, nested or not, a list of pairs, or plain `key=value` text.

Source: FOCUS §KeyValueFormat, which wants a flat JSON object; real exports are laxer.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

KEYS, VALUES = ("key", "Key", "name", "Name"), ("value", "Value")
DEEPEST = 20
LONGEST_PRINTED = 10_000
SEPARATORS = re.compile(r"[,;|\n]")


def all_tags(text: str) -> dict[str, Any]:
    """Tag → value, numbers as their text; of a nested object the innermost key. Of equal keys the first counts."""
    found: dict[str, Any] = {}
    for key, value in _pairs(_json(text), DEEPEST):
        found.setdefault(key, value)
    return found


def _json(text: str) -> Any:
    """JSON, JSON within a JSON string, or `key=value` text."""
    text = text.strip()
    try:
        raw = json.loads(text, parse_float=str, parse_int=str) if text else {}
    except (ValueError, RecursionError):
        return _nearly_json(text) or _key_values(text)
    return _json(raw) if isinstance(raw, str) and raw != text else raw


def _nearly_json(text: str) -> Any:
    """As Azure wrote tags, without the braces, or as Python prints a dictionary. None for what is neither."""
    try:
        if text.startswith('"'):
            text = f"{{{text}}}"
        elif text.startswith("{") and len(text) < LONGEST_PRINTED:
            with warnings.catch_warnings(action="ignore"):  # about odd escapes, for programmers
                text = json.dumps(ast.literal_eval(text))
        else:
            return None
        return json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def _key_values(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in SEPARATORS.split(text):
        key, equals, value = part.partition("=")
        if equals and key.strip():
            found.setdefault(key.strip(), value.strip())
    return found


def _pairs(raw: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if not depth:
        return
    if isinstance(raw, dict):
        if named := _named(raw):
            yield named
            return
        for key, value in raw.items():
            if isinstance(value, dict | list):
                yield from _pairs(value, depth - 1)
            else:
                yield key, value
    elif isinstance(raw, list):
        for item in raw:
            if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str):  # noqa: PLR2004 - key and value
                yield item[0], item[1]
            else:
                yield from _pairs(item, depth - 1)


def _named(raw: dict[str, Any]) -> tuple[str, Any] | None:
    """`{"key": "team", "value": "x"}` is one tag."""
    key = next((raw[name] for name in KEYS if name in raw), None)
    value = next((name for name in VALUES if name in raw), None)
    return (key, raw[value]) if isinstance(key, str) and value and len(raw) == 2 else None  # noqa: PLR2004
