from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connection, transaction
from django.urls import reverse

from periods.errors import BUSY
from periods.models import BillingPeriod
from tests.make import make_period


@pytest.mark.django_db(transaction=True)
def test_page_says_that_somebody_else_is_writing(client, superuser):
    period, sealing, told = make_period(), Event(), Event()
    client.force_login(superuser)

    def hold() -> None:
        with transaction.atomic():
            BillingPeriod.objects.lock_unsealed(period.pk)
            sealing.set()
            told.wait(timeout=20)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        sealing.wait(timeout=20)
        with connection.cursor() as cursor:
            cursor.execute(
                {"sqlite": "PRAGMA busy_timeout = 50", "postgresql": "SET lock_timeout = 50"}[connection.vendor]
            )
        response = client.post(reverse("admin:periods_billingperiod_step", args=[period.pk, "close"]))
        told.set()
        holding.result(timeout=20)
    connection.close()

    assert response.status_code == 503
    assert response.context["sentence"] == BUSY
    period.refresh_from_db()
    assert period.state == "open"
