"""How the admin looks and where it leads: the sidebar follows the order of the month's work."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def may_view(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)


def page(title: str, icon: str, model: str) -> dict[str, Any]:
    """The list of `app.model`, for those who may view it."""
    app, name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": may_view(f"{app}.view_{name}"),
    }


START = {"title": "Start", "icon": "home", "link": reverse_lazy("admin:index")}
NAVIGATION = [
    {"items": [START, page("Months", "calendar_month", "periods.billingperiod")]},
    {
        "title": "Bill the month",
        "separator": True,
        "items": [
            page("Imports", "upload_file", "charges.focusimport"),
            page("Quarantine", "report", "charges.importissue"),
            page("Review", "fact_check", "charges.charge"),
            page("Adjustments", "tune", "charges.adjustment"),
            page("Credit campaigns", "redeem", "charges.creditcampaign"),
            page("Disputes", "gavel", "charges.dispute"),
            page("Corrections", "history", "charges.correction"),
        ],
    },
    {
        "title": "Send and post",
        "separator": True,
        "items": [
            page("Statements", "description", "statements.statement"),
            page("E-mail", "mail", "statements.emaildelivery"),
            page("Suppressed addresses", "unsubscribe", "statements.suppression"),
            page("Journals", "account_balance", "statements.journal"),
            page("Seals", "verified", "statements.seal"),
        ],
    },
    {
        "title": "Who pays",
        "separator": True,
        "items": [
            page("PIs", "person", "charges.principalinvestigator"),
            page("Projects", "folder_shared", "charges.project"),
            page("Funding accounts", "savings", "charges.fundingaccount"),
            page("Funding splits", "call_split", "charges.fundingsplit"),
            page("Attribution rules", "rule", "charges.attributionrule"),
        ],
    },
    {
        "title": "Set up",
        "separator": True,
        "items": [
            page("Sources", "cloud", "charges.source"),
            page("Review settings", "flag", "charges.reviewsettings"),
            page("Review rules", "regular_expression", "charges.reviewrule"),
            page("Allowed funds", "playlist_add_check", "charges.allowedfund"),
            page("Exchange rates", "currency_exchange", "charges.exchangerate"),
            page("Waivers", "event_busy", "charges.sourcewaiver"),
            {
                "title": "Templates",
                "icon": "design_services",
                "link": reverse_lazy("templates"),
                "permission": may_view("statements.view_statement"),
            },
            page("Audit trail", "history", "periods.auditentry"),
            page("Users", "group", "auth.user"),
            page("Groups", "admin_panel_settings", "auth.group"),
            {
                "title": "Access review",
                "icon": "shield_person",
                "link": reverse_lazy("access"),
                "permission": may_view("auth.view_user"),
            },
        ],
    },
]

UNFOLD = {
    "SITE_TITLE": "OpenChargeback",
    "SITE_HEADER": "OpenChargeback",
    "SITE_SYMBOL": "receipt_long",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("portal/icon.svg")}],  # noqa: ARG005
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "ocb_project.dashboard.start_page",
    "STYLES": [lambda request: static("ocb/admin.css")],  # noqa: ARG005
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {
            "50": "oklch(97.0% .014 254.6)",
            "100": "oklch(93.2% .032 255.6)",
            "200": "oklch(88.2% .059 254.1)",
            "300": "oklch(80.9% .105 251.8)",
            "400": "oklch(70.7% .165 254.6)",
            "500": "oklch(62.3% .188 259.8)",
            "600": "oklch(52.0% .190 262.0)",
            "700": "oklch(46.0% .180 263.0)",
            "800": "oklch(41.0% .150 264.0)",
            "900": "oklch(36.0% .120 264.0)",
            "950": "oklch(28.2% .091 267.9)",
        }
    },
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": NAVIGATION},
}
