"""Addresses of the admin that people mistype: an empty or unfiltered page or none, never a broken one."""

from urllib.parse import unquote

import pytest
from django.apps import apps

from tests.admin_rows import make_row

BEYOND = "9" * 22


@pytest.fixture
def desk(client, superuser):
    client.force_login(superuser)
    return client


@pytest.mark.parametrize("value", ["abc", BEYOND, "-1", "²"])
@pytest.mark.parametrize(
    ("model", "name", "address"),
    [
        ("charge", "period__id__exact", "period__id__exact={}"),
        ("charge", "source__id__exact", "source__id__exact={}"),
        ("charge", "pi__id__exact", "e=1"),
        ("charge", "project__id__exact", "e=1"),
        ("adjustment", "period__id__exact", "period__id__exact={}"),
        ("dispute", "period__id__exact", "period__id__exact={}"),
        ("focusimport", "source__id__exact", "source__id__exact={}"),
        ("importissue", "period__id__exact", "period__id__exact={}"),
    ],
)
def test_a_filter_by_what_is_no_number_shows_the_whole_list(desk, model, name, address, value):
    row = make_row(apps.get_model("charges", model))

    response = desk.get(f"/admin/charges/{model}/", {name: value}, follow=True)

    assert unquote(response.request["QUERY_STRING"]) == address.format(value)
    assert list(response.context["cl"].queryset.values_list("pk", flat=True)) == [row.pk]


@pytest.mark.parametrize("page", ["change", "history"])
@pytest.mark.parametrize("model", ["charge", "source", "project", "exchangerate", "adjustment"])
@pytest.mark.parametrize("pk", ["abc", BEYOND])
def test_a_record_that_cannot_exist_is_not_shown(desk, model, page, pk):
    response = desk.get(f"/admin/charges/{model}/{pk}/{page}/")

    assert (response.status_code, response.get("Location", "/admin/")) in [(404, "/admin/"), (302, "/admin/")]


def test_a_step_of_a_record_that_cannot_exist_is_not_found(desk):
    assert desk.get(f"/admin/charges/charge/{BEYOND}/step/approve/").status_code == 404
