"""Mail about a dispute, sent once the change is committed."""

from typing import Any

from django.conf import settings
from django.urls import reverse

from charges.models import Dispute, ProjectDelegate
from periods.notices import tell


def tell_pi(dispute: Dispute, text: str) -> None:
    """The PI, and the delegate who opened it. A failure is logged: the same words stand in the portal."""
    reply_to = [settings.REPLY_TO_EMAIL] if settings.REPLY_TO_EMAIL else None
    url = reverse("portal:dispute", args=[dispute.pk])
    tell("disputes/pi", _context(dispute, text, url), to=_readers(dispute), reply_to=reply_to)


def tell_staff(dispute: Dispute, text: str, *, is_theirs: bool = True) -> None:
    """What the PI's side writes, or that it is open again."""
    url = reverse("admin:charges_dispute_change", args=[dispute.pk])
    context = {**_context(dispute, text, url), "is_theirs": is_theirs}
    tell("disputes/staff", context, to=[settings.REPLY_TO_EMAIL or settings.DEFAULT_FROM_EMAIL])


def _readers(dispute: Dispute) -> list[str]:
    opener = dispute.opened_by.email.lower() if dispute.opened_by else ""
    is_delegate = ProjectDelegate.objects.filter(project=dispute.project_id, email=opener).exists()
    return [dispute.pi.email, *([opener] if is_delegate and opener != dispute.pi.email else [])]


def _context(dispute: Dispute, text: str, url: str) -> dict[str, Any]:
    return {
        "dispute": dispute,
        "text": text,
        "month": str(dispute.period),
        "url": settings.SITE_URL + url,
        "house": settings.INSTITUTION_NAME,
    }
