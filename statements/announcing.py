"""Tells finance the new head of the chain: kept elsewhere, it proves later that nothing was sealed anew."""

from django.conf import settings
from django.urls import reverse

from periods.notices import tell
from statements.models import Seal


def announce(seal: Seal) -> None:
    """Once the month is committed as finalized, to the addresses in SEAL_RECIPIENTS; none, nobody."""
    if settings.SEAL_RECIPIENTS:
        url = settings.SITE_URL + reverse("admin:statements_seal_change", args=[seal.pk])
        context = {"seal": seal, "url": url, "house": settings.INSTITUTION_NAME}
        tell("seals/head", context, to=settings.SEAL_RECIPIENTS)
