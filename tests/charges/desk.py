"""Staff at their desk, and the payer whom they enter."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.make import make_fund, make_pi, make_project, make_source


@pytest.fixture
def desk(client, billing_admin):
    client.force_login(billing_admin)
    return client


@pytest.fixture
def payer(db):
    return {"pi": make_pi(), "project": make_project(), "funding_account": make_fund(), "source": make_source()}


def errors(response):
    return [str(error) for found in response.context["adminform"].form.errors.values() for error in found]


def upload(desk, model, rows, format_number="0"):
    file = SimpleUploadedFile("rows.csv", rows.encode())
    return desk.post(f"/admin/charges/{model}/import/", {"import_file": file, "format": format_number, "resource": "0"})
