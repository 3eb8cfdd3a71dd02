"""The review of access: nobody with power is left out, and it says through what they have it."""

import csv
import io
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group, Permission, User

from ocb_project.access import review_access
from tests.conftest import person

pytestmark = pytest.mark.django_db

PAGES = ("/admin/access/", "/admin/access.csv")


def grant(user, codename):
    user.user_permissions.add(Permission.objects.get(codename=codename))


def test_what_one_may_do_is_said_in_words_with_its_way(finance):
    grant(finance, "export_journal")

    (found,) = review_access().people

    assert [(grant.words, grant.through) for grant in found.grants if "journal" in grant.words] == [
        ("Acknowledge or reject journals", ["Finance"]),
        ("Export journals", ["Finance", "directly"]),
        ("Void journals", ["Finance"]),
    ]


def test_a_superuser_may_do_everything(superuser):
    (found,) = review_access().people

    assert ([(grant.words, grant.through) for grant in found.grants], found.marks) == (
        [("Everything", ["superuser"])],
        ["Superuser"],
    )


def test_inactive_people_come_last_and_are_marked(finance):
    person("aaron", "Reviewers", is_staff=True, is_active=False)

    assert [(found.user.username, found.marks) for found in review_access().people] == [
        ("finance", []),
        ("aaron", ["Inactive"]),
    ]


def test_whoever_has_a_power_is_listed_and_readers_are_counted(outsider):
    member = person("member", "Finance")
    chosen = User.objects.create_user("chosen")
    grant(chosen, "finalize_billingperiod")
    staff = User.objects.create_user("staff", is_staff=True)

    access = review_access()

    assert {found.user: (found.groups, len(found.grants) > 0, found.marks) for found in access.people} == {
        member: (["Finance"], True, ["No staff: cannot enter the admin"]),
        chosen: ([], True, ["No staff: cannot enter the admin"]),
        staff: ([], False, []),
    }
    assert access.others == 1


def test_groups_are_compared_permission_by_permission():
    Group.objects.create(name="Our own").permissions.add(Permission.objects.get(codename="finalize_billingperiod"))

    access = review_access()
    rows = {row.words: dict(zip(access.groups, row.has, strict=True)) for row in access.rows}

    assert rows["Finalize a billing period"] == {
        "Auditors": False,
        "Billing administrators": True,
        "Finance": False,
        "Our own": True,
        "Reviewers": False,
    }
    assert not any(words.startswith("View ") for words in rows)


def test_csv_has_a_row_for_each_permission_of_each_person(client, superuser):
    client.force_login(superuser)
    User.objects.update(last_login=datetime(2026, 2, 3, 12, tzinfo=UTC))
    new = User.objects.create_user("=new", "new@example.edu", first_name="Ada", last_name="Lovelace", is_staff=True)
    grant(new, "close_billingperiod")
    User.objects.create_user("nobody", is_staff=True, is_active=False)

    response = client.get(PAGES[1])
    rows = list(csv.reader(io.StringIO(response.content.decode())))

    assert response["Content-Disposition"].startswith('attachment; filename="access-')
    assert rows[0][-4:] == ["groups", "last_sign_in", "permission", "through"]
    assert [[*row[:7], *row[8:]] for row in rows[1:]] == [
        ["'=new", "Ada Lovelace", "new@example.edu", "yes", "yes", "no", "", "Close a billing period", "directly"],
        ["root", "", "root@example.edu", "yes", "yes", "yes", "", "Everything", "superuser"],
        ["nobody", "", "", "no", "yes", "no", "", "", ""],
    ]
    assert (rows[1][7], rows[2][7][:4], rows[3][7]) == ("never", "2026", "never")


def test_the_page_marks_who_is_inactive(client, auditor):
    person("aaron", "Reviewers", is_staff=True, is_active=False)
    client.force_login(auditor)

    page = client.get(PAGES[0]).content.decode()

    assert page.count('<span class="ocb-mark inactive">Inactive</span>') == 1


@pytest.mark.parametrize("count", [1, 3])
def test_the_page_costs_the_same_queries_for_any_number_of_people(count, client, auditor, django_assert_num_queries):
    for number in range(count):
        grant(person(f"person{number}", "Finance", "Reviewers", is_staff=True), "close_billingperiod")
    client.force_login(auditor)
    client.get(PAGES[0])

    with django_assert_num_queries(20):
        client.get(PAGES[0])
