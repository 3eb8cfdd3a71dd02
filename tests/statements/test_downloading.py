"""Many PDFs as one zip file: named, complete, or refused before the first byte."""

import io
from zipfile import ZipFile

import pytest

from periods import storage
from periods.errors import Refused
from statements import downloading
from statements.downloading import zip_name, zipped
from statements.models import Statement
from tests.make import make_period, make_statement
from tests.statements.mail_server import make_rendered

pytestmark = pytest.mark.django_db


def opened(statements) -> ZipFile:
    return ZipFile(io.BytesIO(b"".join(zipped(statements))))


def test_each_pdf_lies_under_its_month_number_and_project():
    first = make_rendered(project="Cold Atoms / β")
    second = make_rendered("bob@example.edu", project="ocean", period=make_period("2025-02"), revision=2)

    file = opened(Statement.objects.all())

    assert {name: file.read(name) for name in file.namelist()} == {
        f"2025-01/statement-S-{first.number:06d}-2025-01-cold-atoms.pdf": f"%PDF {first}".encode(),
        f"2025-02/statement-S-{second.number:06d}-r2-2025-02-ocean.pdf": f"%PDF {second}".encode(),
    }
    assert file.testzip() is None


def test_each_pdf_is_given_away_before_the_next_is_read():
    statements = [make_rendered(f"{name}@example.edu", project=name) for name in "abc"]

    parts = zipped(Statement.objects.all())

    assert [str(statement).encode() in next(parts) for statement in statements] == [True, True, True]
    assert next(parts).startswith(b"PK\x01\x02")  # the table of contents


@pytest.mark.parametrize(("others", "said"), [(0, "1 statement has"), (1, "2 statements have")])
def test_a_missing_pdf_is_refused_before_the_first_byte(others, said):
    make_rendered()
    missing = make_statement(period=make_period("2025-02"))
    for _ in range(others):
        make_statement(period=make_period("2025-03"))

    with pytest.raises(Refused) as refused:
        zipped(Statement.objects.all())

    assert str(refused.value) == f"{said} no PDF, {missing} first: render them, or leave them out."


def test_a_download_takes_so_many_at_most(monkeypatch):
    for name in "ab":
        make_rendered(f"{name}@example.edu", project=name)
    monkeypatch.setattr(downloading, "MOST", 1)

    with pytest.raises(Refused) as refused:
        zipped(Statement.objects.all())

    assert str(refused.value) == "A download takes 1 statements at most: choose fewer, one month for instance."


def test_a_pdf_that_is_not_what_was_archived_is_refused():
    statement = make_rendered()
    storage.locate(statement.document.path).write_bytes(b"%PDF other")

    with pytest.raises(Refused, match="is missing or not what was archived"):
        zipped(Statement.objects.all())


@pytest.mark.parametrize(
    ("months", "name"),
    [
        (["2025-01"], "statements-2025-01.zip"),
        (["2025-03", "2025-01", "2025-02"], "statements-2025-01-2025-03.zip"),
        ([], "statements.zip"),
    ],
)
def test_the_file_is_named_by_its_months(months, name):
    for month in months:
        make_statement(period=make_period(month))

    assert zip_name(Statement.objects.all()) == name


def test_as_many_queries_for_any_number(django_assert_num_queries):
    for name in "abc":
        make_rendered(f"{name}@example.edu", project=name)

    with django_assert_num_queries(1):
        opened(Statement.objects.all())
