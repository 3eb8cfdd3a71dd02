"""What the portal's templates need beyond Django's own tags; all reads as in the PDF."""

from collections.abc import Mapping

from django import template

from statements.rendering.composing import institution
from statements.rendering.detail import row
from statements.templating import day, money, month

register = template.Library()
register.filter("money", money)
register.filter("month", month)
register.filter("day", day)
register.filter("row", row)
register.simple_tag(institution)


@register.filter
def of(mapping: Mapping[int, int], key: int) -> int | None:
    """What a template's dot cannot look up: the value of a key that is a variable."""
    return mapping.get(key)
