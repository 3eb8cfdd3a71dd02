"""The admin site."""

from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite

from statements.portal.sign_in import is_by_mailed_code


class ChargebackAdminSite(UnfoldAdminSite):
    site_title = site_header = "OpenChargeback"

    def has_permission(self, request: HttpRequest) -> bool:
        """A session opened by a mailed code never enters, whoever it is: a mailbox is no second factor of staff."""
        return not is_by_mailed_code(request) and super().has_permission(request)
