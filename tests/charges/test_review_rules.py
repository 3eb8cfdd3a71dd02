"""A pattern is tried as it is typed, over what is there; nothing is saved by it."""

import re
from typing import Any

import pytest

from charges.flags.parts import FundParts
from charges.merging import merge
from charges.models import ReviewRule
from tests.make import make_charge, make_closed, make_fund, make_period

pytestmark = pytest.mark.django_db
TEST = "/admin/charges/reviewrule/test/"
PARTED = r"^(?P<sponsor>[A-Z]+)-.*-(?P<year>\d{4})$"


@pytest.fixture
def office(client, billing_admin):
    client.force_login(billing_admin)
    return client


def cells(page: Any) -> list[str]:
    return re.findall(r'<t[dh][^>]*class="">([^<]*)</t[dh]>', page.content.decode())


def tried(office: Any, kind: str, pattern: str) -> Any:
    return office.post(TEST, {"kind": kind, "pattern": pattern})


def test_a_format_says_which_codes_it_matches_and_what_its_groups_find(office):
    for code in ("NSF-ATM-2024", "NASA-EXOP-2023", "GIFT", "NSF-OLD-2024"):
        make_fund(code)
    merge(make_fund("NSF-OLD-2024"), make_fund("NSF-ATM-2024"), reason="One account under two names")

    assert cells(tried(office, "fund_format", PARTED)) == [
        "Fund codes that match (2)", "", "NASA-EXOP-2023", "sponsor: NASA, year: 2023",
        "NSF-ATM-2024", "sponsor: NSF, year: 2024", "Fund codes that do not match, and are held (1)", "", "GIFT", "",
    ]  # fmt: skip
    assert not ReviewRule.objects.exists()


def test_a_pattern_says_which_names_of_open_months_it_would_hold(office):
    make_charge(service_name="Crypto Miner", resource_name="engine", resource_id="vm-crypto")
    make_charge(service_name="HPC", resource_name="", resource_id="vm-1")
    make_charge(service_name="Old crypto", period=make_period("2024-12"))
    make_closed(make_period("2024-12"))

    assert cells(tried(office, "pattern", "(?P<what>crypto)")) == [
        "Services in open months that match, and are held (1)", "", "Crypto Miner", "what: Crypto",
        "Resource names and IDs in open months that match, and are held (1)", "", "vm-crypto", "what: crypto",
    ]  # fmt: skip


def test_of_thousands_the_first_twenty_are_shown(office):
    for number in range(23):
        make_fund(f"F-{number:02}")

    found = cells(tried(office, "fund_format", "^F"))

    assert (found[0], len(found) // 2) == ("Fund codes that match (23)", 1 + 20 + 1 + 1)
    assert found[42:44] == ["… and 3 more", ""]


@pytest.mark.parametrize(
    ("kind", "pattern", "sentence"),
    [
        ("fund_format", "(abc", "This is no regular expression of RE2: missing ): (abc."),
        ("pattern", "(?=a)", "This is no regular expression of RE2: invalid perl operator: (?=."),
        ("pattern", "", "Choose what the rule is about, and write a pattern."),
        ("", "abc", "Choose what the rule is about, and write a pattern."),
    ],
)
def test_what_is_no_pattern_is_said_in_words(office, kind, pattern, sentence):
    assert tried(office, kind, pattern).content.decode() == sentence


def test_names_are_shown_as_text(office):
    make_fund("<script>alert(1)</script>")

    assert "<script>" not in tried(office, "fund_format", "^X").content.decode()
    assert "<b>" not in tried(office, "fund_format", "(<b>").content.decode()


@pytest.mark.parametrize(("role", "status"), [("billing_admin", 200), ("reviewer", 403), ("auditor", 403)])
def test_who_may_save_a_rule_may_test_it(client, request, role, status):
    client.force_login(request.getfixturevalue(role))

    assert tried(client, "pattern", "x").status_code == status
    assert client.get(TEST).status_code == 405


def test_who_is_not_signed_in_is_asked_to(client):
    assert tried(client, "pattern", "x").status_code == 302


def test_a_saved_rule_shows_it_at_once(office):
    make_fund("GIFT")
    rule = ReviewRule.objects.create(kind="fund_format", pattern="^G")

    page = office.get(f"/admin/charges/reviewrule/{rule.pk}/change/")

    assert cells(page)[:4] == ["Fund codes that match (1)", "", "GIFT", ""]
    assert f'data-test="{TEST}"' in page.content.decode()
    assert "ocb/pattern_test.js" in page.content.decode()


def test_the_parts_of_a_code_are_those_of_the_first_active_format_that_matches():
    ReviewRule.objects.create(kind="fund_format", pattern="^(?P<odd>.*)$", is_active=False)
    ReviewRule.objects.create(kind="pattern", pattern="^(?P<name>.*)$")
    ReviewRule.objects.create(kind="fund_format", pattern=PARTED)
    ReviewRule.objects.create(kind="fund_format", pattern="^(?P<fund>[A-Z]+)(-(?P<org>[0-9]+))?$")

    parts = FundParts()

    none = {"sponsor": "", "year": "", "fund": "", "org": ""}
    assert parts.of("NSF-ATM-2024") == none | {"sponsor": "NSF", "year": "2024"}
    assert parts.of("GIFT") == none | {"fund": "GIFT"}
    assert parts.of("?") == none
    assert list(none) == list(parts.none)


def test_the_page_of_a_fund_shows_its_parts(office):
    ReviewRule.objects.create(kind="fund_format", pattern=PARTED)
    fund = make_fund("NSF-ATM-2024")

    page = office.get(f"/admin/charges/fundingaccount/{fund.pk}/change/").content.decode()

    assert "sponsor: NSF, year: 2024" in page
