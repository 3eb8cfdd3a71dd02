"""The settings of a source when a closed month was loaded: its rows are compared under these, whatever holds now."""

from copy import copy
from itertools import chain
from typing import NamedTuple

from django.db.models import Q

from charges.models import FocusImport, ImportScope, Source


class Reading(NamedTuple):
    """What decides which charge the cells of a row make."""

    basis: str
    has_inclusive_ends: bool


def readings(source: Source, month: str) -> dict[str, Reading]:
    """By billing account, where the month was loaded under other settings: the latest that loaded it while it was open.

    What came only as a difference is compared as the first of these was read. Append sources compare nothing but amounts.
    """
    if source.pk is None or source.delivery == Source.Delivery.APPEND:
        return {}
    imports = source.imports.loaded().filter(kind=FocusImport.Kind.DELIVERY)
    scopes = ImportScope.objects.filter(
        Q(late_month=month) | Q(late_month="", period__month=month), focus_import__in=imports
    ).order_by("focus_import__loaded_at")
    others = [pk for pk, then in imports.values_list("pk", "read_as") if _is_other(then, source)]
    if not others or not scopes.filter(focus_import__in=others).exists():  # nearly always
        return {}
    late, own = scopes.exclude(late_month="").reverse(), scopes.filter(late_month="")
    columns = ("billing_account_id", "focus_import__read_as")
    found = dict(chain(late.values_list(*columns), own.values_list(*columns)))
    return {
        account: Reading(then["basis"], then["has_inclusive_ends"])
        for account, then in found.items()
        if _is_other(then, source)
    }


def as_then(source: Source, reading: Reading) -> Source:
    """The source as it was; not to be saved."""
    then = copy(source)
    then.basis, then.has_inclusive_ends = reading
    return then


def _is_other(then: dict[str, str | bool], source: Source) -> bool:
    """Imports from before settings were recorded say nothing. The encoding is a matter of whole files, not of rows."""
    return any(then.get(name, now) != now for name, now in source.reading.items() if name in Reading._fields)
