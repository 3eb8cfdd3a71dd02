from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from ocb_project.roles import ROLES, sync_roles


def codenames(group: str) -> set[str]:
    return set(Group.objects.get(name=group).permissions.values_list("codename", flat=True))


def test_migrate_makes_the_four_groups(db):
    assert list(Group.objects.order_by("name").values_list("name", flat=True)) == [
        "Auditors",
        "Billing administrators",
        "Finance",
        "Reviewers",
    ]


def test_auditors_view_everything_of_ours_and_do_nothing(db):
    ours = Permission.objects.filter(content_type__app_label__in=["periods", "charges", "statements"])
    views = set(ours.filter(codename__startswith="view_").values_list("codename", flat=True))

    assert codenames("Auditors") == views | {"view_user", "view_group"}


def test_no_role_may_delete_what_a_sealed_month_names(db):
    deletions = {name for role in ROLES for name in codenames(role) if name.startswith("delete_")}

    assert deletions == {"delete_piaddress", "delete_projectdelegate", "delete_fundingshare"}


def test_only_finance_and_billing_administrators_export_journals(db):
    assert {role for role in ROLES if "export_journal" in codenames(role)} == {"Billing administrators", "Finance"}


def test_only_billing_administrators_finalize(db):
    assert {role for role in ROLES if "finalize_billingperiod" in codenames(role)} == {"Billing administrators"}


def test_only_billing_administrators_correct_finalized_charges(db):
    assert {role for role in ROLES if "correct_charge" in codenames(role)} == {"Billing administrators"}


def test_sync_roles_mends_a_changed_group_and_leaves_others_alone(db, capsys):
    before = codenames("Auditors")
    Group.objects.get(name="Auditors").permissions.set(Permission.objects.filter(codename="close_billingperiod"))
    Group.objects.create(name="Our own").permissions.set(Permission.objects.filter(codename="add_user"))

    call_command("sync_roles")

    assert codenames("Auditors") == before
    assert codenames("Our own") == {"add_user"}
    assert capsys.readouterr().out.split("\n") == [*ROLES, ""]


def test_sync_roles_twice_changes_nothing(db):
    before = {role: codenames(role) for role in ROLES}

    sync_roles()

    assert {role: codenames(role) for role in ROLES} == before
