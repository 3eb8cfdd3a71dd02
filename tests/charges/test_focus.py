"""Columns, headers and tags of FOCUS files, by themselves."""

from pathlib import Path

import pytest
from django.conf import settings

from charges.focus import Header
from charges.focus.columns import COLUMNS
from charges.focus.table import table
from charges.focus.tags import all_tags
from charges.models import Charge
from periods.errors import Refused

NEEDED = ("BillingPeriodStart", "BilledCost")
REMAKE = "write charges.focus.table.table() into docs/focus.md"


def test_the_documentation_says_what_becomes_of_each_column():
    page = (Path(settings.BASE_DIR) / "docs" / "focus.md").read_text()

    assert page.partition("a test compares the two.\n\n")[2] == f"{table()}\n", REMAKE


def test_every_stored_column_is_a_field_of_the_charge():
    fields = {field.name for field in Charge._meta.fields}

    assert {column.stored for column in COLUMNS if column.stored} <= fields


@pytest.mark.parametrize(("version", "number"), [("1.0", 43), ("1.1", 50), ("1.2", 57), ("1.3", 65)])
def test_versions_have_the_columns_that_the_specification_counts(version, number):
    """1.3 deprecates two that files still carry."""
    assert sum(column.since <= version for column in COLUMNS) == number


@pytest.mark.parametrize(
    ("names", "version"),
    [
        ((), "1.0"),
        (("AmortizedCost", "InvoiceIssuer"), "1.0-preview"),
        (("SkuMeter", "Provider"), "1.1"),
        (("ProviderName", "BillingAccountType"), "1.2"),
        (("ProviderName", "PublisherName", "HostProviderName"), "1.3"),
        (("ServiceProviderName", "HostProviderName"), "1.4"),
        (("InvoiceDetailId",), "1.4"),
    ],
)
def test_the_version_is_told_by_the_header(names, version):
    assert Header.of([*NEEDED, *names]).version == version


def test_deprecated_columns_are_not_asked_for():
    missing = Header.of([*NEEDED, "ServiceProviderName"]).missing

    assert {"ProviderName", "PublisherName"} & {*missing} == set()
    assert "HostProviderName" in missing


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ((*NEEDED, "Billed Cost"), "The header names a column twice: BilledCost."),
        ((*NEEDED, "x_Team", "x-team"), "The header names a column twice: xteam."),
        (
            ("BilledCost",),
            "This is no FOCUS file: it has no column BillingPeriodStart, its first line is “BilledCost”.",
        ),
        (
            ("BillingPeriodStart", "ListCost"),
            "The file has neither of the columns EffectiveCost and BilledCost: there is nothing to bill.",
        ),
    ],
)
def test_a_header_that_cannot_be_billed_is_refused(names, sentence):
    with pytest.raises(Refused) as refusal:
        Header.of(names)

    assert str(refusal.value) == sentence


def test_case_order_spaces_and_older_names_are_of_no_matter():
    header = Header.of(["amortized cost", "BILLINGPERIODSTART", "", " region ", ""])

    assert header.positions == {"EffectiveCost": 0, "BillingPeriodStart": 1, "RegionId": 3}


def test_what_is_provisional_or_tells_of_amounts_is_no_identity():
    names = [*NEEDED, "InvoiceId", "x_Discounts", "x_BilledCostInUsd", "ContractApplied", "ResourceId", "x_Operation"]
    header = Header.of(names)

    assert {names[index] for index in header.identity} == {"BillingPeriodStart", "ResourceId", "x_Operation"}


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", {}),
        ("{}", {}),
        (
            '{"a": "1", "b": 2, "c": 1.50, "d": true, "e": null}',
            {"a": "1", "b": "2", "c": "1.50", "d": True, "e": None},
        ),
        ('{"user": {"PI-Email": "x"}, "other": "y"}', {"PI-Email": "x", "other": "y"}),
        ('[{"key": "a", "value": "1"}, {"Key": "b", "Value": "2"}]', {"a": "1", "b": "2"}),
        ('[["a", "1"], ["b", "2"]]', {"a": "1", "b": "2"}),
        ('"{\\"a\\": \\"1\\"}"', {"a": "1"}),
        ("a=1;b = 2", {"a": "1", "b": "2"}),
        ("a=1,b=x=y|c=", {"a": "1", "b": "x=y", "c": ""}),
        ('"a": "1","b": {"c": 2}', {"a": "1", "c": "2"}),
        ("{'a': '1', \"b\": \"it's\", 'c': None}", {"a": "1", "b": "it's", "c": None}),
        (" {'a': 'b'} ", {"a": "b"}),
        ("{'a': '\\d'}", {"a": "\\d"}),
        ("{'a': __import__('os')}", {}),
        ("{1: 'a', 'b': 2}", {"1": "a", "b": "2"}),
        ("{(1, 2): 'a'}", {}),
        ("{'a'}", {}),
        ("{" + "'a': {" * 500, {}),
        ("{'a': " + "-" * 9000 + "1}", {}),
        ("no tags here", {}),
        ("[1, 2]", {}),
        ("{" * 100_000, {}),
        ("[" * 100_000 + "]" * 100_000, {}),
        ("a=1;" + "x" * 1_000_000, {"a": "1"}),
    ],
)
def test_tags_of_every_shape_are_read(text, tags):
    assert all_tags(text) == tags
