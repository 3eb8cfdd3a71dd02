"""The history of rows that are made by the hundred begins as that of one does."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from simple_history.models import HistoricalRecords

from charges.importing.judging import histories
from charges.models import FundingAccount, PrincipalInvestigator, Project

pytestmark = pytest.mark.django_db
MADE: list[tuple[Any, list[dict[str, Any]]]] = [
    (PrincipalInvestigator, [{"email": "ada@example.edu", "name": "Ada"}, {"email": "bo@example.edu"}]),
    (Project, [{"code": "p1", "name": "100 % 'x'", "end_date": "2026-06-30"}, {"code": "p2", "department": "Physics"}]),
    (FundingAccount, [{"code": "f1", "description": "Grant"}, {"code": "f2"}]),
]
every_model = pytest.mark.parametrize(("model", "given"), MADE)


def entries(model: Any) -> list[dict[str, Any]]:
    found = model.history.order_by("history_id").values()
    return [{name: value for name, value in entry.items() if name != "history_id"} for entry in found]


@every_model
@pytest.mark.parametrize("is_signed_in", [False, True])
def test_an_entry_says_what_that_of_an_instance_says(
    model: Any, given: list[dict[str, Any]], is_signed_in: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User.objects.create(username="ada") if is_signed_in else None
    if user:
        monkeypatch.setattr(HistoricalRecords.context, "request", SimpleNamespace(user=user), raising=False)
    rows = model.objects.bulk_create(model(**values) for values in given)
    histories.begin(rows)
    begun = entries(model)
    model.history.all().delete()
    model.history.bulk_history_create(rows, default_date=begun[0]["history_date"])
    assert begun == entries(model)
    assert [(entry["history_type"], entry["history_user_id"]) for entry in begun] == [("+", user and user.pk)] * 2


def test_the_history_of_no_rows_has_no_entry() -> None:
    histories.begin([])
    assert not PrincipalInvestigator.history.exists()
