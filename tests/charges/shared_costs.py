"""Costs of nobody in particular, and what is due beside them."""

from tests.make import (
    make_charge,
    make_fund,
    make_pi,
    make_project,
    make_source,
)


def make_shared(due="10", *, source=None, **kwargs):
    source = source or make_source(shared_costs="pro_rata")
    nobody = {"pi": None, "project": None, "funding_account": None, "fund_step": ""}
    known = {"charge_category": "Tax", "service_name": "Tax", "review_status": "shared", **nobody}
    return make_charge(source=source, list_amount=due, due_amount=due, **{**known, **kwargs})


def owed(due, code, **kwargs):
    payer = {"pi": make_pi(f"{code}@example.edu"), "project": make_project(code), "funding_account": make_fund(code)}
    source = make_source(shared_costs="pro_rata")
    return make_charge(**{"source": source, "list_amount": due, "due_amount": due, **payer, **kwargs})
