"""PDFs are made once, by as many processes as are asked for, and come to the same bytes."""

import hashlib
import multiprocessing
import os

import pytest
from django.core.management import CommandError, call_command

from periods import storage
from periods.errors import NotPermitted, Refused
from periods.models import AuditEntry
from statements.models import ArchivedDocument, Statement
from statements.rendering import documents, preview, render_statements
from tests.make import make_charge, make_period, make_pi, make_project
from tests.statements.rendered import issued

pytestmark = pytest.mark.django_db


def template(home, text, name="statements/statement.html"):
    file = home / "templates" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def issue_many(count):
    for number in range(count):
        make_charge(project=make_project(f"project-{number}"))
    return issued()


def test_rendering_keeps_the_pdf_under_its_hash(billing_admin):
    make_charge()

    done = render_statements(issued(), by=billing_admin)

    document = ArchivedDocument.objects.get()
    content = storage.locate(document.path).read_bytes()
    assert (done.rendered, done.unchanged, done.failed) == (1, 0, {})
    assert document.sha256 == hashlib.sha256(content).hexdigest()
    assert (document.path, document.size) == (f"statements/{document.sha256[:2]}/{document.sha256}.pdf", len(content))
    assert AuditEntry.objects.get(action="render").by == billing_admin


def test_nothing_is_rendered_twice(home):
    make_charge()
    period = issued()
    render_statements(period)
    before = ArchivedDocument.objects.values().get()
    template(home, "<p>another</p>")

    done = render_statements(period)

    assert (done.rendered, done.unchanged, done.failed) == (0, 1, {})
    assert ArchivedDocument.objects.values().get() == before


def test_a_pool_makes_the_same_bytes():
    for name in ("ada", "bob", "eve"):
        make_charge(pi=make_pi(f"{name}@example.edu"))
    period = issued()
    told = []

    assert render_statements(period, workers=2, progress=lambda *at: told.append(at)).rendered == 3

    by_pool = dict(ArchivedDocument.objects.values_list("statement", "sha256"))
    ArchivedDocument.objects.all().delete()
    render_statements(period)
    assert dict(ArchivedDocument.objects.values_list("statement", "sha256")) == by_pool
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_killed_process_is_told_of_and_the_next_run_goes_on():
    issue_many(8)

    def kill(done, total):
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(Refused) as refusal:
        render_statements(make_period(), workers=2, progress=kill)

    assert str(refusal.value) == "A rendering process was ended from outside, perhaps for lack of memory."
    kept = ArchivedDocument.objects.count()
    assert 0 < kept < 8
    done = render_statements(make_period())
    assert (done.rendered, done.unchanged) == (8 - kept, kept)


@pytest.mark.parametrize("count", ["0", "-1", "two", "257", "²"])
def test_a_number_of_workers_that_makes_no_sense_is_bad_usage(count):
    with pytest.raises(CommandError) as error:
        call_command("render_statements", "2025-01", f"--workers={count}")

    assert f"argument --workers: a number from 1 to 256 is wanted, not {count!r}" in str(error.value)


@pytest.mark.parametrize(("statements", "processes"), [(1, 1), (9, 1), (10, 2), (20, 4), (1_000, 4)])
def test_there_are_as_many_processes_as_cores_where_they_have_work(monkeypatch, statements, processes):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)

    assert documents._enough_for(statements) == processes


def test_one_bad_statement_is_named_and_stops_no_other(home, capsys):
    template(home, "<title>x</title>{% if project_code == 'bad' %}{{ nobody }}{% endif %}")
    make_charge(project=make_project("bad"))
    make_charge(project=make_project("good"))
    issued()
    bad, good = Statement.objects.order_by("project_code")

    with pytest.raises(CommandError) as error:
        call_command("render_statements", "2025-01", "--workers", "1")

    file = home / "templates/statements/statement.html"
    assert str(error.value) == (
        f"{bad.printed_number}: The template {file}, line 1, cannot be used: 'nobody' is undefined."
    )
    assert capsys.readouterr().out.splitlines()[-1] == "1 rendered, 0 were there already."
    assert ArchivedDocument.objects.get().statement == good


def test_a_statement_whose_charges_changed_is_not_rendered():
    make_charge()
    period = issued()
    make_charge()
    (statement,) = Statement.objects.all()

    assert render_statements(period).failed == {
        statement.printed_number: "Its charges changed after the issue: run issue_statements 2025-01 first."
    }


def test_no_pdf_is_begun_when_the_time_is_up():
    issue_many(2)
    (first, _) = Statement.objects.order_by("number")
    render_statements(make_period(), only=Statement.objects.filter(pk=first.pk))

    done = render_statements(make_period(), until=0)

    assert (done.rendered, done.unchanged, done.waiting) == (0, 1, 1)


def test_rendering_needs_its_permission(auditor):
    make_charge()
    with pytest.raises(NotPermitted):
        render_statements(issued(), by=auditor)
    assert not ArchivedDocument.objects.exists()


@pytest.mark.parametrize("charges", [1, 3])
def test_a_statement_is_read_in_as_many_queries_for_any_number_of_charges(django_assert_num_queries, charges):
    for number in range(charges):
        make_charge(service_name=f"service {number}", reference_1="NSF-1")
    issued()
    statement = Statement.objects.select_related("period").get()

    with django_assert_num_queries(14):
        preview(statement)
