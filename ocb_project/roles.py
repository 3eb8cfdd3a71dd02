"""Groups and their permissions. One table: who may do what is read here, and nowhere else."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission

OUR_APPS = ("periods", "charges", "statements")
ACCOUNTS = ("auth.view_user", "auth.view_group")

REVIEW = (
    "charges.review_charge",
    "charges.reattribute_charge",
    "charges.add_adjustment",
    "charges.withdraw_adjustment",
    "charges.answer_dispute",
    "charges.uphold_dispute",
    "charges.deny_dispute",
    "charges.add_creditcampaign",
    "charges.withdraw_creditcampaign",
    "charges.discard_importissue",
    "charges.correct_importissue",
)
APPROVAL = ("charges.approve_adjustment", "charges.approve_creditcampaign")  # of what somebody else entered
JOURNALS = ("statements.export_journal", "statements.acknowledge_journal", "statements.void_journal")
IMPORTS = (
    "charges.add_focusimport",
    "charges.load_focusimport",
    "charges.discard_focusimport",
    "charges.reverse_focusimport",
)
CORRECTIONS = ("charges.correct_charge",)
MONTH_END = (
    "periods.close_billingperiod",
    "periods.reopen_billingperiod",
    "periods.finalize_billingperiod",
    "periods.override_billingperiod",
    "statements.issue_statement",
    "statements.render_statement",
    "statements.email_statement",
    "statements.retry_emaildelivery",
    "statements.copy_emaildelivery",
    "statements.clear_suppression",
)


def maintain(*models: str) -> tuple[str, ...]:
    """Add and change, never delete: what a finalized month names must stay."""
    return tuple(f"charges.{verb}_{model}" for model in models for verb in ("add", "change"))


PAYERS = (
    *maintain("principalinvestigator", "piaddress", "project", "projectdelegate", "attributionrule"),
    "charges.merge_principalinvestigator",
    "charges.merge_project",
)
FUNDS = (*maintain("fundingaccount", "fundingsplit", "fundingshare", "allowedfund"), "charges.merge_fundingaccount")
SETTINGS = (
    *maintain("source", "sourcewaiver", "reviewrule", "exchangerate"),
    "charges.change_reviewsettings",
    "charges.recheck_charge",
)
REMOVABLE = ("charges.delete_piaddress", "charges.delete_projectdelegate", "charges.delete_fundingshare")

ROLES: dict[str, tuple[str, ...]] = {
    "Billing administrators": (
        *IMPORTS,
        *REVIEW,
        *APPROVAL,
        *CORRECTIONS,
        *MONTH_END,
        *JOURNALS,
        *PAYERS,
        *FUNDS,
        *SETTINGS,
        *REMOVABLE,
    ),
    "Reviewers": (*REVIEW, *PAYERS, "charges.delete_piaddress", "charges.delete_projectdelegate"),
    "Finance": (*APPROVAL, *JOURNALS, *FUNDS, "charges.delete_fundingshare"),
    "Auditors": ACCOUNTS,
}


def sync_roles() -> list[str]:
    """Make each group and give it exactly its permissions. Groups with other names are left alone."""
    everything = {f"{permission.content_type.app_label}.{permission.codename}": permission for permission in _all()}
    viewing = [name for name in everything if name.startswith(tuple(f"{app}.view_" for app in OUR_APPS))]
    for role, names in ROLES.items():
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.set(everything[name] for name in {*viewing, *names})
    return list(ROLES)


def after_migrate(**_: Any) -> None:
    sync_roles()


def _all() -> Iterable[Permission]:
    return Permission.objects.filter(content_type__app_label__in=(*OUR_APPS, "auth")).select_related("content_type")
