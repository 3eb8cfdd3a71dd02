"""EMAIL_URL: one line that says where mail goes. It holds passwords and keys, so a wrong one is never repeated."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

FOLDER = "filemail://"
IMPLICIT_TLS = 465  # TLS from the first byte, whatever the scheme says


@dataclass(frozen=True, slots=True)
class Provider:
    """What the parts of `scheme://key:secret@place` are called by django-anymail; `module` is where its backend is."""

    module: str
    key: str = ""
    secret: str = ""
    place: str = ""
    needs: str = ""  # a package that we do not bring


PROVIDERS = {
    "amazon-ses": Provider("amazon_ses", place="region", needs="boto3"),
    "brevo": Provider("brevo", "api_key"),
    "mailersend": Provider("mailersend", "api_token"),
    "mailgun": Provider("mailgun", "api_key", place="sender_domain"),
    "mailjet": Provider("mailjet", "api_key", "secret_key"),
    "mailtrap": Provider("mailtrap", "api_token"),
    "mandrill": Provider("mandrill", "api_key"),
    "postal": Provider("postal", "api_key", place="host"),
    "postmark": Provider("postmark", "server_token"),
    "resend": Provider("resend", "api_key"),
    "scaleway": Provider("scaleway", "secret_key", place="project_id"),
    "sendgrid": Provider("sendgrid", "api_key"),
    "sparkpost": Provider("sparkpost", "api_key"),
    "unisender-go": Provider("unisender_go", "api_key"),
}


def email(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Django's settings of mail, and those of django-anymail where a provider is named."""
    text = text or FOLDER
    _require_package(text.partition(":")[0])
    try:
        url = urlsplit(text)
        if provider := PROVIDERS.get(url.scheme):
            return {"EMAIL_BACKEND": f"anymail.backends.{provider.module}.EmailBackend"}, _anymail(url, provider)
        return _server(environ.Env.email_url_config(text)), {}
    except (environ.ImproperlyConfigured, ValueError, KeyError) as error:
        raise ImproperlyConfigured(
            "EMAIL_URL is not usable: set it to filemail://, to smtp+tls://user:password@mail.university.edu:587, "
            f"or to the key of a provider, as in postmark://KEY ({', '.join(PROVIDERS)})."
        ) from error


def _require_package(scheme: str) -> None:
    package = PROVIDERS[scheme].needs if scheme in PROVIDERS else ""
    if package and not find_spec(package):
        raise ImproperlyConfigured(f"EMAIL_URL names {scheme}, which needs a package: pip install {package}.")


def _server(config: dict[str, Any]) -> dict[str, Any]:
    if config.get("EMAIL_PORT") == IMPLICIT_TLS:
        config.update(EMAIL_USE_SSL=True, EMAIL_USE_TLS=False)
    return config


def _anymail(url: SplitResult, provider: Provider) -> dict[str, Any]:
    """Further settings of the provider stand after `?`, by their names in django-anymail's documentation."""
    user, at, place = url.netloc.rpartition("@")
    if not (at or not provider.key):
        user, place = url.netloc, ""
    key, _, secret = user.partition(":")
    found = {provider.key: key, provider.secret: secret, provider.place: place}
    found.pop("", None)
    if not all(found[name] for name in (provider.key, provider.secret) if name):
        raise ValueError(url.scheme)
    values: dict[str, Any] = {name: unquote(value) for name, value in found.items() if value}
    if region := values.pop("region", ""):
        values["client_params"] = {"region_name": region}
    if host := values.pop("host", ""):
        values["api_url"] = f"https://{host}"
    values.update(parse_qsl(url.query))
    return {f"{provider.module}_{name}".upper(): value for name, value in values.items()}
