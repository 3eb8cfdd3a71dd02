"""System checks: an unsafe or half-made installation says so before it bills anyone."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004

from ocb_project import webhooks

LOCAL = {"127.0.0.1", "localhost", "[::1]", "testserver"}


@register(Tags.security)
def spreadsheet_permissions(**_: Any) -> list[CheckMessage]:
    """django-import-export asks for no permission at all unless it is told which."""
    names = ("IMPORT_EXPORT_IMPORT_PERMISSION_CODE", "IMPORT_EXPORT_EXPORT_PERMISSION_CODE")
    return [
        Error(f"{name} is not set: any staff user could import and export.", id=f"openchargeback.E00{number}")
        for number, name in enumerate(names, start=1)
        if not getattr(settings, name, None)
    ]


@register(Tags.security)
def debug_is_local(**_: Any) -> list[CheckMessage]:
    if settings.DEBUG and not set(settings.ALLOWED_HOSTS) <= LOCAL:
        return [
            Error(
                "DEBUG is on while ALLOWED_HOSTS names other machines: error pages would show data to anyone.",
                hint="Unset DEBUG, or leave ALLOWED_HOSTS at its default.",
                id="openchargeback.E003",
            )
        ]
    return []


@register(Tags.security)
def webhooks_are_authenticated(**_: Any) -> list[CheckMessage]:
    if webhooks.patterns() and not settings.ANYMAIL.get("WEBHOOK_SECRET"):
        return [
            Error(
                "WEBHOOK_SECRET is not set: what the mail provider reports of bounces is not heard.",
                hint="Set it to name:password, and enter both with the address of the webhook at the provider.",
                id="openchargeback.E004",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def proxy_is_named(**_: Any) -> list[CheckMessage]:
    """The process itself speaks no TLS: without the proxy's word every request looks like plain http."""
    if settings.SITE_URL.startswith("https://") and not settings.BEHIND_PROXY:
        return [
            Warning(
                "SITE_URL is https and BEHIND_PROXY is off: every page would redirect to itself.",
                hint="Set BEHIND_PROXY=on, and let the web server with TLS set X-Forwarded-Proto.",
                id="openchargeback.W005",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def institution_is_named(**_: Any) -> list[CheckMessage]:
    """Defaults that are right for a trial and wrong for real statements."""
    trial = {
        "INSTITUTION_NAME is the default: it heads every statement.": settings.INSTITUTION_NAME == "Research Computing",
        "MAIL_DOMAIN is the default: tags without @ would name nobody.": settings.MAIL_DOMAIN == "example.edu",
        "EMAIL_URL is not set: mail goes to files, not to people.": "file" in settings.EMAIL_BACKEND,
        "SITE_URL is not https: sign-in would travel in the clear.": not settings.SITE_URL.startswith("https://"),
    }
    return [
        Warning(sentence, hint=f"Set {sentence.partition(' ')[0]}.", id=f"openchargeback.W00{number}")
        for number, (sentence, is_trial) in enumerate(trial.items(), start=1)
        if is_trial
    ]
