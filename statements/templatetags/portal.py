"""What the portal's templates need beyond Django's own tags; amounts and dates read as in the PDF."""

from django import template
from django.conf import settings

from statements.templating import day, money, month

register = template.Library()
register.filter("money", money)
register.filter("month", month)
register.filter("day", day)


@register.simple_tag
def institution() -> str:
    return settings.INSTITUTION_NAME


@register.simple_tag
def contact() -> str:
    return settings.INSTITUTION_CONTACT
