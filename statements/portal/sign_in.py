"""Sign-in by a mailed code."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import RequestLoginCodeForm


class PortalAdapter(DefaultAccountAdapter): ...


class RequestCodeForm(RequestLoginCodeForm): ...
