"""Disputes as PIs open them."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from charges.disputing.objecting import open_dispute
from charges.models import Charge, Dispute
from tests.make import make_charge, make_fund, make_period, make_pi, make_project, make_source

OBJECTION = "This is not our machine."


YES = "Indeed, it is the other lab's."


def of_charge(charge: Charge, **kwargs: Any) -> Dispute:
    whose = {"period": charge.period, "pi": charge.pi, "project": charge.project}
    return open_dispute(**{**whose, "charge": charge, "text": OBJECTION, **kwargs})


def of_line(**kwargs: Any) -> Dispute:
    key = {"source": make_source(), "service_name": "HPC Cluster", "funding_account": make_fund()}
    whose = {"period": make_period(), "pi": make_pi(), "project": make_project()}
    return open_dispute(**{**whose, **key, "text": OBJECTION, **kwargs})


@pytest.fixture
def dispute(outsider: User) -> Dispute:
    return of_charge(make_charge(list_amount="100", due_amount="50"), by=outsider)
