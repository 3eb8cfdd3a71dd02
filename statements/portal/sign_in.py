"""Sign-in by a mailed code: no password, no sign-up, and the same answer whether an address is known or not."""

import logging
from typing import Any
from uuid import uuid4

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.forms import RequestLoginCodeForm
from allauth.core import context, ratelimit
from anymail.exceptions import AnymailError
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.messages import ERROR
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from charges.models import PrincipalInvestigator, ProjectDelegate
from periods import audit

logger = logging.getLogger(__name__)

LONGEST_USERNAME = 150


class MailedCodeBackend(AuthenticationBackend):
    """Takes no password. Its name in a session tells that a mailed code opened it."""

    def authenticate(self, *_args: Any, **_credentials: Any) -> None:
        return None


def is_by_mailed_code(request: HttpRequest) -> bool:
    return request.session.get(BACKEND_SESSION_KEY) == f"{__name__}.{MailedCodeBackend.__name__}"


class PortalAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, *_args: Any) -> bool:
        return False

    def respond_user_inactive(self, *_args: Any) -> HttpResponse:
        return redirect("account_request_login_code")

    def add_message(self, request: HttpRequest, level: int, *args: Any, **kwargs: Any) -> None:
        """Errors only: the pages themselves say what went well."""
        if level >= ERROR:
            super().add_message(request, level, *args, **kwargs)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """A mail server that is down must not tell known addresses, which get mail, from unknown ones."""
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, AnymailError):
            logger.exception("The sign-in code for %s could not be mailed.", email)


class RequestCodeForm(RequestLoginCodeForm):
    def clean_email(self) -> str:
        address = self.cleaned_data["email"].lower()
        if not ratelimit.consume(context.request, action="request_login_code", key=address):
            raise get_adapter().validation_error("too_many_login_attempts")
        self._user = user_of(address)
        return address


def user_of(address: str) -> User | None:
    """The active user with this lower-case address, made now if it is a PI's or delegate's; None for strangers.

    Compared in Python: a database's idea of equal letters must not hand one mailbox another's account.
    """
    users = User.objects.filter(email__iexact=address)
    same = [user for user in users if user.email.lower() == address]
    if same:
        return next((user for user in same if user.is_active), None)
    pi = PrincipalInvestigator.objects.filter(Q(email=address) | Q(addresses__email=address)).first()
    if pi or ProjectDelegate.objects.filter(email=address).exists():
        return _make_user(address, pi)
    return None


@transaction.atomic
def _make_user(address: str, pi: PrincipalInvestigator | None) -> User:
    user, _ = User.objects.get_or_create(
        username=_username(address), email=address, defaults={"password": make_password(None)}
    )
    if pi and pi.user is None:
        pi.user = user
        pi.save(update_fields=["user"])
    audit.record(by=None, action="open sign-in", subject=user, after={"email": address})
    return user


def _username(address: str) -> str:
    """The address, unless it is too long or the name of somebody whose mail goes elsewhere."""
    is_taken = User.objects.filter(username__iexact=address).exclude(email=address).exists()
    return uuid4().hex if is_taken or len(address) > LONGEST_USERNAME else address
