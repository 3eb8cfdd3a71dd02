"""What the portal's templates need beyond Django's own tags; amounts and dates read as in the PDF."""

from django import template

from statements.composing import institution
from statements.templating import day, money, month

register = template.Library()
register.filter("money", money)
register.filter("month", month)
register.filter("day", day)
register.simple_tag(institution)
