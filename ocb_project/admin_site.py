"""The admin site."""

from unfold.sites import UnfoldAdminSite


class ChargebackAdminSite(UnfoldAdminSite):
    site_title = site_header = "OpenChargeback"
