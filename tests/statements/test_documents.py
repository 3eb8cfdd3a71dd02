"""Archived documents leave the house as they were archived, by whatever door."""

import pytest

from periods.errors import Refused
from statements.journaling import export_journal
from statements.models import ArchivedDocument
from tests.statements.sealed import make_ready

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("kind", "name"), [("statement", "Statement PDF"), ("journal", "Journal file")])
def test_documents_are_shown_as_archived_in_the_admin_as_archived_or_not_at_all(admin_client, home, kind, name):
    make_ready()
    document = ArchivedDocument.objects.get(kind=kind)
    pages = {
        "statement": f"/admin/statements/statement/{document.statement_id}/pdf/",
        "journal": f"/admin/statements/journal/file/{document.pk}/",
    }
    genuine = (home / document.path).read_bytes()

    assert admin_client.get(pages[kind]).content == genuine
    (home / document.path).write_bytes(b"forged")
    response = admin_client.get(pages[kind])

    sentence = f"The {name} {document.path} is missing or not what was archived."
    assert (response.status_code, response.content.decode()) == (409, sentence)


def test_a_changed_journal_is_not_exported_again(home):
    period = make_ready()
    document = ArchivedDocument.objects.get(kind="journal")
    (home / document.path).write_bytes(b"forged")

    with pytest.raises(Refused) as refusal:
        export_journal(period)

    assert str(refusal.value) == f"The Journal file {document.path} is missing or not what was archived."
