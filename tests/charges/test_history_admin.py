"""Old versions of reference data: read by those who may view, reverted to only by those who may change."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from charges.admin.reference import HistoryAdmin
from charges.models import ExchangeRate
from tests.admin_rows import make_row
from tests.make import make_finalized, make_period

KEPT = [model for model, page in admin.site._registry.items() if isinstance(page, HistoryAdmin)]
ROLES = ("superuser", "billing_admin", "reviewer", "finance", "auditor", "outsider")


def label(model: type[Model]) -> str:
    return model._meta.model_name


def address(row: Model) -> str:
    return reverse(f"admin:charges_{label(row)}_simple_history", args=[row.pk, row.history.latest().pk])


def filled_in(root: User, page: str) -> dict:
    """What a person who may change the record would send."""
    client = Client()
    client.force_login(root)
    form = client.get(page).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in values.items() if value not in (None, False)}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("model", KEPT, ids=label)
def test_only_those_who_may_change_a_record_revert_it(client, request, superuser, model, role):
    row, user = make_row(model), request.getfixturevalue(role)
    page, kept = address(row), row.history.count()
    answers = filled_in(superuser, page)
    client.force_login(user)
    may_view, may_change = (user.has_perm(f"charges.{verb}_{label(model)}") for verb in ("view", "change"))
    refused = 403 if user.is_staff else 302

    assert client.get(page).status_code == (200 if may_view else refused)
    assert client.post(page, answers).status_code == (302 if may_change else refused)
    assert row.history.count() - kept == (1 if may_change else 0)


@pytest.mark.parametrize("model", KEPT, ids=label)
def test_an_old_version_is_only_text_for_those_who_may_not_change_it(client, auditor, model):
    client.force_login(auditor)

    form = client.get(address(make_row(model))).context["adminform"].form

    assert list(form.fields) == []


def test_the_rate_of_a_finalized_month_is_not_reverted(client, superuser):
    rate = make_row(ExchangeRate)
    page = address(rate)
    answers = filled_in(superuser, page)
    ExchangeRate.objects.filter(pk=rate.pk).update(period=make_period("2024-12"))
    make_finalized(make_period("2024-12"))
    client.force_login(superuser)

    assert client.post(page, answers).status_code == 403


def test_a_version_of_a_finalized_month_is_refused_in_words(client, superuser):
    rate = make_row(ExchangeRate)
    page = address(rate)
    ExchangeRate.objects.filter(pk=rate.pk).update(period=make_period("2025-02"))
    make_finalized(rate.period)
    client.force_login(superuser)

    response = client.post(page, {})

    assert response.context["adminform"].form.non_field_errors() == [
        "January 2025 is finalized: nothing in it changes. Correct it in an open month."
    ]
    assert ExchangeRate.objects.get().period == make_period("2025-02")


@pytest.mark.parametrize("version", ["abc", "9" * 30, "0"])
def test_a_version_that_does_not_exist_is_not_found(client, superuser, version):
    row = make_row(ExchangeRate)
    client.force_login(superuser)

    assert client.get(f"/admin/charges/exchangerate/{row.pk}/history/{version}/").status_code == 404
