"""The address at which the mail provider in use reports what became of messages: /anymail/PROVIDER/tracking/."""

from anymail import urls
from django.conf import settings
from django.urls import URLPattern, include, path
from django.urls.resolvers import URLResolver


def provider() -> str:
    """The provider that mail goes through, as django-anymail names it; empty where it goes another way."""
    before, _, rest = settings.EMAIL_BACKEND.partition("anymail.backends.")
    return "" if before else rest.partition(".")[0]


def patterns() -> list[URLPattern]:
    """Of that provider alone; none where it reports nothing."""
    places = {f"{provider()}/tracking/", f"{provider()}/"}
    return [pattern for pattern in urls.urlpatterns if str(pattern.pattern) in places]


def webhook_urls() -> list[URLResolver]:
    """None without a secret: an address that believes anybody would let anybody stop a PI's mail."""
    is_safe = bool(settings.ANYMAIL.get("WEBHOOK_SECRET"))
    return [path("anymail/", include((patterns(), "anymail")))] if provider() and is_safe else []
