"""Walks over every page of the admin: that it renders, how often it asks the database, and whom it refuses."""

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

from charges.models import Adjustment, Charge, CreditCampaign, Dispute, ReviewSettings
from statements.models import EmailDelivery, Journal, Statement, Suppression
from tests.admin_rows import MAKERS, make_row
from tests.make import make_charge, make_closed, make_finalized, make_period
from tests.statements.mail_server import archive

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
IMPORTABLE = ["adjustment", "allowedfund", "attributionrule", "fundingaccount", "principalinvestigator", "project"]


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


@pytest.mark.parametrize("model", REGISTERED, ids=label)
def test_pages_of_every_model_render(root, model):
    row = make_row(model)
    changelist = root.get(url(model, "changelist"), follow=True)
    may_add = admin.site._registry[model].has_add_permission(changelist.wsgi_request)

    assert changelist.status_code == 200
    assert root.get(url(model, "change", row.pk)).status_code == 200
    assert root.get(url(model, "add")).status_code == (200 if may_add else 403)


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


@pytest.mark.parametrize("model", REGISTERED, ids=label)
def test_nobody_deletes(root, model):
    row = make_row(model)

    assert root.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model._default_manager.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", REGISTERED, ids=label)
def test_anonymous_is_sent_to_sign_in(client, db, model):
    response = client.get(url(model, "changelist"))

    assert (response.status_code, response["Location"]) == (302, f"/admin/login/?next={url(model, 'changelist')}")


@pytest.mark.parametrize("model", REGISTERED, ids=label)
def test_auditors_see_every_list_and_change_nothing(client, auditor, model):
    row = make_row(model)
    client.force_login(auditor)

    assert client.get(url(model, "changelist"), follow=True).status_code == 200
    assert client.get(url(model, "change", row.pk)).status_code == 200
    assert client.get(url(model, "add")).status_code == 403
    assert client.post(url(model, "change", row.pk), {}).status_code == 403


@pytest.mark.parametrize("name", IMPORTABLE)
def test_spreadsheets_ask_for_permission(client, auditor, db, name):
    """django-import-export lets any staff user in unless it is told otherwise."""
    stranger = User.objects.create_user("stranger", is_staff=True)
    imports, exports = (reverse(f"admin:charges_{name}_{page}") for page in ("import", "export"))

    client.force_login(stranger)
    assert [client.get(page).status_code for page in (imports, exports)] == [403, 403]
    client.force_login(auditor)
    assert [client.get(page).status_code for page in (imports, exports)] == [403, 200]
    assert client.post(reverse(f"admin:charges_{name}_process_import"), {}).status_code == 403


ROLES = ("superuser", "billing_admin", "reviewer", "finance", "auditor", "outsider")
MAY = {
    "charges/charge/{charge}/step/approve/": {"superuser", "billing_admin", "reviewer"},
    "charges/charge/{charge}/step/reattribute/": {"superuser", "billing_admin", "reviewer"},
    "charges/charge/{charge}/step/exclude/": {"superuser", "billing_admin", "reviewer"},
    "charges/charge/{charge}/step/defer/": {"superuser", "billing_admin", "reviewer"},
    "charges/adjustment/{adjustment}/step/withdraw/": {"superuser", "billing_admin", "reviewer"},
    "charges/adjustment/{pending}/step/approve/": {"superuser", "billing_admin", "finance"},
    "charges/adjustment/{pending}/step/refuse/": {"superuser", "billing_admin", "finance"},
    "charges/creditcampaign/add/": {"superuser", "billing_admin", "reviewer"},
    "charges/creditcampaign/{campaign}/step/approve/": {"superuser", "billing_admin", "finance"},
    "charges/creditcampaign/{campaign}/step/refuse/": {"superuser", "billing_admin", "finance"},
    "charges/creditcampaign/{campaign}/step/withdraw/": {"superuser", "billing_admin", "reviewer"},
    "charges/dispute/{dispute}/step/uphold/": {"superuser", "billing_admin", "reviewer"},
    "charges/dispute/{dispute}/step/deny/": {"superuser", "billing_admin", "reviewer"},
    "charges/dispute/{dispute}/step/answer/": {"superuser", "billing_admin", "reviewer"},
    "statements/emaildelivery/{delivery}/step/retry/": {"superuser", "billing_admin"},
    "statements/emaildelivery/test/": {"superuser", "billing_admin"},
    "statements/statement/{statement}/step/copy/": {"superuser", "billing_admin"},
    "statements/suppression/{suppression}/step/clear/": {"superuser", "billing_admin"},
    "statements/journal/{journal}/step/void/": {"superuser", "billing_admin", "finance"},
    "periods/billingperiod/{open}/step/close/": {"superuser", "billing_admin"},
    **{
        f"periods/billingperiod/{{closed}}/step/{step}/": {"superuser", "billing_admin"}
        for step in ("issue", "render", "email", "finalize", "reopen")
    },
    **{
        f"periods/billingperiod/{{closed}}/step/{step}/": {"superuser", "billing_admin", "finance"}
        for step in ("export", "acknowledge")
    },
    "charges/source/add/": {"superuser", "billing_admin"},
    "charges/allowedfund/add/": {"superuser", "billing_admin", "finance"},
    "charges/adjustment/add/": {"superuser", "billing_admin", "reviewer"},
    "charges/fundingsplit/add/": {"superuser", "billing_admin", "finance"},
    "charges/attributionrule/add/": {"superuser", "billing_admin", "reviewer"},
    "charges/correction/add/?charges={finalized}": {"superuser", "billing_admin"},
    "auth/user/add/": {"superuser"},
}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_exactly_its_own(client, db, request, role):
    names = {
        "open": make_period("2031-01").pk,
        "closed": make_closed(make_period("2031-02")).pk,
        "charge": make_row(Charge).pk,
        "adjustment": make_row(Adjustment).pk,
        "campaign": make_row(CreditCampaign).pk,
        "dispute": make_row(Dispute).pk,
        "delivery": make_row(EmailDelivery).pk,
        "statement": (statement := make_row(Statement)).pk,
        "suppression": make_row(Suppression).pk,
        "journal": make_row(Journal).pk,
        "finalized": (finalized := make_charge(period=make_period("2030-12"))).pk,
    }
    names["pending"] = make_row(Adjustment).pk
    Adjustment.objects.filter(pk=names["pending"]).update(needs_approval=True)
    archive(statement)
    make_finalized(finalized.period)
    client.force_login(request.getfixturevalue(role))
    denied = 302 if role == "outsider" else 403

    found = {address: client.get("/admin/" + address.format(**names)).status_code for address in MAY}

    assert found == {address: 200 if role in roles else denied for address, roles in MAY.items()}


@pytest.mark.parametrize("role", ["reviewer", "finance", "auditor"])
def test_posting_past_a_hidden_button_is_refused(client, db, request, role):
    period = make_period("2031-01")
    client.force_login(request.getfixturevalue(role))

    response = client.post(f"/admin/periods/billingperiod/{period.pk}/step/close/")

    period.refresh_from_db()
    assert (response.status_code, period.state) == (403, "open")


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
