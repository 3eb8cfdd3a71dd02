"""The admin site."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from unfold.sites import UnfoldAdminSite

from statements.portal.sign_in import is_by_mailed_code


class ChargebackAdminSite(UnfoldAdminSite):
    site_title = site_header = "OpenChargeback"

    def has_permission(self, request: HttpRequest) -> bool:
        """A session opened by a mailed code never enters, whoever it is: a mailbox is no second factor of staff."""
        return not is_by_mailed_code(request) and super().has_permission(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """A password typed into such a session opens a new one: the old cookie stays without power."""
        was_by_mailed_code = is_by_mailed_code(request)
        response = super().login(request, extra_context)
        if was_by_mailed_code and not is_by_mailed_code(request):
            request.session.cycle_key()
        return response
