"""A journal's file is made by a template of the institution's, which sees figures alone and spoils none."""

import pytest

from charges.models import ReviewRule
from periods.errors import Refused
from statements.journaling import cell, export_journal, templates
from statements.models import ArchivedDocument, Journal
from tests.make import make_charge, make_fund, make_period
from tests.statements.journals import make_issued, make_template, rows

pytestmark = pytest.mark.django_db


def test_unknown_template_is_refused_naming_those_there_are(home):
    make_template(home, "banner", "x")

    with pytest.raises(Refused) as refusal:
        export_journal(make_period(), template="../generic")

    assert str(refusal.value) == f"There is no journal template '../generic': there are {', '.join(templates())}."
    assert {"banner", "generic"} <= set(templates())


def test_institution_s_template_is_used_and_archived_beside_the_generic_one(home):
    make_charge(due_amount="10")
    make_template(
        home,
        "short",
        "{% for line in journal.lines %}\n{{ line.account }}|{{ line.debit - line.credit }}\n{% endfor %}",
    )
    period = make_issued()
    export_journal(period)

    exported = export_journal(period, template="short")

    assert exported.content == b"NSF-1|10.00\ncluster|-10.00\n"
    assert exported.journal.documents.count() == 2


@pytest.mark.parametrize(
    "text",
    [
        "account,debit,credit\n{% for line in journal.lines[1:] %}\nx,{{ line.debit }},{{ line.credit }}\n{% endfor %}",
        "account,debit,credit\n{% for line in journal.lines %}\nx,{{ line.credit }},{{ line.debit }}\n{% endfor %}",
        "account,debit,credit\n{% for line in journal.lines %}\nx,${{ line.debit }},{{ line.credit }}\n{% endfor %}",
        "account,debit,credit\n{% for line in journal.lines %}\nx\n{% endfor %}",
        "nothing at all",
    ],
    ids=["line left out", "sides swapped", "no number", "cells missing", "no lines"],
)
def test_file_that_differs_from_its_journal_never_leaves(home, text):
    make_charge(due_amount="10")
    make_charge(due_amount="7", funding_account=make_fund("NSF-2"))
    make_template(home, "broken", text)
    period = make_issued()

    with pytest.raises(Refused, match=r"^The template 'broken' makes a file that"):
        export_journal(period, template="broken")

    assert (Journal.objects.count(), ArchivedDocument.objects.count()) == (0, 0)
    assert not list(home.glob("journals/**/*.csv"))


def test_template_sees_figures_and_no_door_to_the_database(home):
    make_charge(due_amount="10")
    make_template(home, "curious", "{{ journal.lines[0].journal.delete() }}\n\n")

    with pytest.raises(Refused, match=r"journals/curious\.csv, line 1, cannot be used"):
        export_journal(make_issued(), template="curious")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NSF-1", "NSF-1"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", '"\'\rx"'),
        ("Smith, Ada", '"Smith, Ada"'),
        ('the "best"', '"the ""best"""'),
        ("two\nlines", '"two\nlines"'),
        ("", ""),
    ],
)
def test_cell_is_quoted_and_no_formula(text, expected):
    assert cell(text) == expected


def test_dangerous_account_is_guarded_and_its_amount_is_not():
    make_charge(list_amount="-5", due_amount="-5", funding_account=make_fund('=HYPERLINK("http://x"),1'))

    (first, second) = rows(export_journal(make_issued()).content)

    assert (first["account"], first["debit"], first["credit"]) == ('\'=HYPERLINK("http://x"),1', "0.00", "5.00")
    assert (second["account"], second["debit"]) == ("cluster", "5.00")


def test_a_template_gets_the_parts_of_fund_codes_by_name(settings):
    ReviewRule.objects.create(kind="fund_format", pattern=r"^(?P<sponsor>[A-Z]+)-(?P<number>\d+)$")
    make_charge(due_amount="10")
    make_charge(due_amount="5", funding_account=make_fund("GIFT"))
    make_template(
        settings.OCB_HOME, "parts",
        "account,sponsor,number\n{% for line in journal.lines %}"
        "{{ line.account }},{{ line.fund_parts.sponsor }},{{ line.fund_parts.number }}\n{% endfor %}",
    )  # fmt: skip

    content = export_journal(make_issued(), template="parts").content

    assert [tuple(row.values()) for row in rows(content)] == [
        ("GIFT", "", ""),
        ("NSF-1", "NSF", "1"),
        ("cluster", "", ""),
    ]
