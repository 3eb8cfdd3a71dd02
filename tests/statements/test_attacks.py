"""Every guarded model of a finalized month against every way in that is no plain SQL; `test_guards` has the SQL.

The models are those of the guards: a new guarded model is attacked as soon as it has a row in `full_month`.
"""

from typing import Any

import pytest
from django.contrib import admin
from django.db import IntegrityError, connection, models, transaction
from django.db.models import ProtectedError
from django.test import Client
from django.urls import reverse

from charges.importing import import_files
from charges.models import FocusImport, Source
from periods.errors import Refused
from periods.models import BillingPeriod
from statements import canonical
from statements.guards import WAYS
from statements.models import Seal
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_finalized
from tests.statements.full_month import make_full_month, make_seal, row_of
from tests.statements.guarded import FINALIZED, answer, copied, fresh, sql

pytestmark = pytest.mark.django_db
every_model = pytest.mark.parametrize("model", WAYS, ids=lambda model: model._meta.label)
SHOWN = [*(model for model in WAYS if model in admin.site._registry), BillingPeriod]
REASON = "Agreed with the lab by mail"
ANSWERS = {
    "reason": REASON, "text": REASON, "override": REASON, "reference": "GL-1", "template": "generic", "ground": "usage",
    "rate": "9.5", "post": "yes", "confirm": "yes", "shown": "1", "select_across": "0",
}  # fmt: skip


@pytest.fixture
def january() -> BillingPeriod:
    """Finalized, with a row of every guarded table; February, open, has one too."""
    period = make_finalized(make_full_month("2025-01", "january"))
    make_seal(make_full_month("2025-02", "february"))
    return period


def everything(period: BillingPeriod) -> list[bytes]:
    """What is sealed of a month, and the state of the month and its seals."""
    lines = [line for _, line in canonical.lines(period)]
    rows = [str(row).encode() for model in (BillingPeriod, Seal) for row in model.objects.order_by("pk").values()]
    return lines + rows


def refusal(action: Any) -> str:
    """How the row was kept: by the ORM, which sees what refers to it, or by the database."""
    try:
        with transaction.atomic():
            action()
            transaction.set_rollback(True)
    except (ProtectedError, IntegrityError) as error:
        return type(error).__name__
    return "done"


@every_model
def test_no_row_is_deleted_with_what_hangs_on_it_or_what_it_hangs_on(january: BillingPeriod, model: Any) -> None:
    row = row_of(model, january)
    parents = [getattr(row, field.name) for field in model._meta.concrete_fields if field.is_relation]

    answers = {
        "row": refusal(row.delete),
        "rows": refusal(model._base_manager.filter(pk=row.pk).delete),
        **{f"its {parent._meta.verbose_name}": refusal(parent.delete) for parent in parents if parent},
    }

    assert {how for how in answers.values() if how == "done"} == set(), answers


def test_nothing_in_a_month_is_deleted_because_something_else_is() -> None:
    cascading = [
        f"{model.__name__}.{field.name}"
        for model in WAYS
        for field in model._meta.concrete_fields
        if field.is_relation and field.remote_field.on_delete is not models.PROTECT
    ]

    assert cascading == []


@every_model
def test_no_insert_that_meets_a_row_changes_it(january: BillingPeriod, model: Any) -> None:
    sealed = row_of(model, january)
    other = model._base_manager.exclude(pk=sealed.pk).order_by("-pk")[0]
    column = model._meta.concrete_fields[-1].column
    met = copied(model, other, **{**fresh(model), "id": sealed.pk})

    answers = {
        "update": answer(sql(f'{met} ON CONFLICT (id) DO UPDATE SET "{column}" = excluded."{column}"')),
        **(
            {"replace": answer(sql("INSERT OR REPLACE" + met[len("INSERT") :]))}
            if connection.vendor == "sqlite"
            else {}
        ),
    }

    assert answers == dict.fromkeys(answers, FINALIZED)


@pytest.mark.parametrize("model", SHOWN, ids=lambda model: model._meta.label)
def test_no_page_of_the_admin_changes_a_finalized_month(
    january: BillingPeriod, model: Any, client: Client, superuser: Any
) -> None:
    """Each form, button and action, pressed by somebody who may everything, filled in as well as one can."""
    client.force_login(superuser)
    row = january if model is BillingPeriod else row_of(model, january)
    before, page = everything(january), admin.site._registry[model]
    base = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    shown = client.get(f"{base}{row.pk}/change/")
    forms = {name: value for name, value in shown.context["adminform"].form.initial.items() if value is not None}
    steps = [f"{base}{row.pk}/step/{name}/" for name in getattr(page, "steps", {})]
    actions = ["delete_selected", *(getattr(action, "__name__", action) for action in page.actions)]

    statuses = [client.post(path, {**forms, **ANSWERS}).status_code for path in (f"{base}{row.pk}/change/", *steps)]
    statuses += [client.post(f"{base}{row.pk}/delete/", ANSWERS).status_code]
    statuses += [
        client.post(base, {**ANSWERS, "action": action, "_selected_action": [row.pk]}).status_code for action in actions
    ]

    assert set(statuses) <= {200, 302, 403, 404}
    assert everything(january) == before


def test_no_import_changes_a_finalized_month(january: BillingPeriod, tmp_path: Any) -> None:
    before = everything(january)
    file = write_focus(tmp_path / "jan.csv", focus_row())
    for source in Source.objects.values_list("name", flat=True):
        for options in ({}, {"period": "2025-01"}, {"force": True}):
            with pytest.raises(Refused):
                import_files([file], source_name=source, **options)

    assert everything(january) == before
    assert not FocusImport.objects.filter(state="staged").exists()


def test_late_differences_of_a_finalized_month_go_elsewhere(january: BillingPeriod, tmp_path: Any) -> None:
    before = everything(january)

    import_files([write_focus(tmp_path / "jan.csv", focus_row())], source_name="january", late_to="2025-02")

    assert everything(january) == before
