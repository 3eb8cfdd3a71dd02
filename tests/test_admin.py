"""Walks over every list of the admin: how often it asks the database. Who may open what, `tests/roles` says."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from charges.models import Adjustment, Dispute, ReviewSettings
from statements.models import EmailDelivery, Journal, Statement
from tests.admin_rows import MAKERS, make_row
from tests.make import make_closed, make_finalized, make_period

REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label_lower)
LISTED = [model for model in REGISTERED if model is not ReviewSettings]  # which are one row, with no list
QUERIES = {
    "auth.group": 4,
    "auth.user": 5,
    "charges.adjustment": 6,
    "charges.allowedfund": 4,
    "charges.attributionrule": 4,
    "charges.charge": 7,
    "charges.creditcampaign": 5,
    "charges.correction": 6,
    "charges.dispute": 5,
    "charges.exchangerate": 4,
    "charges.focusimport": 7,
    "charges.fundingaccount": 4,
    "charges.fundingsplit": 6,
    "charges.importissue": 5,
    "charges.principalinvestigator": 4,
    "charges.project": 4,
    "charges.reviewrule": 4,
    "charges.source": 4,
    "charges.sourcewaiver": 4,
    "periods.auditentry": 5,
    "periods.billingperiod": 4,
    "statements.emaildelivery": 5,
    "statements.journal": 6,
    "statements.seal": 4,
    "statements.statement": 5,
    "statements.suppression": 4,
}


def label(model: type[Model]) -> str:
    return model._meta.label_lower


def url(model: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{label(model).replace('.', '_')}_{page}", args=args)


@pytest.fixture
def root(client: Client, superuser: User) -> Client:
    client.force_login(superuser)
    return client


def test_every_registered_model_is_walked_over():
    assert sorted(MAKERS) == [label(model) for model in REGISTERED]


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("model", LISTED, ids=label)
def test_a_list_asks_as_often_for_three_rows_as_for_one(root, model, rows):
    for _ in range(rows):
        make_row(model)
    root.get(url(model, "changelist"))

    with CaptureQueriesContext(connection) as queries:
        response = root.get(url(model, "changelist"))

    assert response.context["cl"].result_count >= rows
    assert {label(model): len(queries)} == {label(model): QUERIES[label(model)]}


def test_buttons_are_those_that_the_role_may_press(client, finance):
    period = make_closed(make_period("2031-02"))
    client.force_login(finance)

    response = client.get(f"/admin/periods/billingperiod/{period.pk}/change/")

    assert [button["step"].label for button in response.context["buttons"]] == ["Export journal", "Acknowledge journal"]


@pytest.mark.parametrize("model", [Adjustment, Dispute, EmailDelivery, Journal, Statement], ids=label)
def test_documents_of_finalized_months_stay_listed(root, model):
    row = make_row(model)
    make_finalized(row.period)

    assert root.get(url(model, "changelist")).context["cl"].result_count == 1


def test_the_icon_is_the_portals_in_the_admin_and_where_browsers_look_for_it(client, db):
    page = client.get("/admin/login/").content.decode()
    assert re.findall(r'<link rel="icon" href="([^"]*)"', page) == ["/static/portal/icon.svg"]
    answer = client.get("/favicon.ico")
    assert (answer.status_code, answer.url) == (302, "/static/portal/icon.svg")


@pytest.mark.parametrize(
    ("model", "title"),
    [("periods/billingperiod", "Months"), ("charges/charge", "Review"), ("charges/importissue", "Quarantine")],
)
def test_a_list_is_titled_as_the_sidebar_names_it(root, model, title):
    assert root.get(f"/admin/{model}/").context["title"] == title


@pytest.mark.parametrize(("query", "heading"), [("", "Nothing here"), ("?q=gpu", "Nothing matches")])
def test_an_empty_list_says_why_it_is_empty(root, query, heading):
    assert f"<h2>{heading}</h2>" in root.get(f"/admin/charges/charge/{query}").content.decode()
