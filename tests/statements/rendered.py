"""Statements to make PDFs of."""

from statements.issuing import issue_statements
from tests.make import make_closed, make_period


def issued(*, month="2025-01"):
    period = make_closed(make_period(month))
    issue_statements(period)
    return period
