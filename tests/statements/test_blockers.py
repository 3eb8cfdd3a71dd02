from datetime import date

import pytest

from charges.models import Charge
from periods.blockers import checklist
from periods.lifecycle import Blocked, run_transition
from statements.issuing import issue_statements
from statements.journaling import acknowledge_journal, export_journal
from statements.models import ArchivedDocument, EmailDelivery, Statement
from tests.make import make_charge, make_closed, make_period, make_pi

pytestmark = pytest.mark.django_db


def sentences(*, is_warning=False):
    return [b.sentence for b in checklist(make_period(), "finalize") if b.is_warning == is_warning]


def make_issued(**kwargs):
    """A month on whose list everything but what a test is about is done."""
    make_charge(**{"account_code": "7000", **kwargs})
    period = make_closed(make_period())
    issue_statements(period)
    make_rendered()
    return period


def make_rendered():
    for statement in Statement.objects.filter(document=None).current():
        ArchivedDocument.objects.create(
            period=statement.period, kind="statement", statement=statement, template="t", path="p", sha256="0", size=1
        )


def make_delivery(status):
    delivery = EmailDelivery.objects.create(
        period=make_period(), pi=make_pi(), recipient="ada@example.edu", content_key=status, status=status
    )
    delivery.statements.set(Statement.objects.current())
    return delivery


def test_statements_that_are_missing_or_stale_block():
    make_charge(list_amount="5", due_amount="0")
    assert sentences() == ["1 statement is not issued or out of date: issue statements."]

    make_issued(due_amount="0")
    assert sentences() == []

    for name in ("bob", "eve"):
        make_charge(pi=make_pi(f"{name}@example.edu"))
    assert sentences() == ["2 statements are not issued or out of date: issue statements."]


def test_statement_without_a_pdf_blocks():
    make_issued(due_amount="0")
    ArchivedDocument.objects.all().delete()

    assert sentences() == ["1 statement has no PDF yet: render statements."]

    make_rendered()
    assert sentences() == []


def test_superseded_statement_needs_no_pdf():
    period = make_issued(due_amount="0")
    make_charge(account_code="7000")
    ArchivedDocument.objects.all().delete()
    issue_statements(period)

    make_rendered()

    assert sentences() == []


def test_journal_blocks_until_acknowledged():
    period = make_issued(due_amount="5")
    assert sentences() == ["The acknowledged journals do not hold what the statements say: export the journal."]

    export_journal(period)
    assert sentences() == ["Journal J-2025-01-1 awaits acknowledgement."]

    acknowledge_journal(period, reference="GL-1")
    assert sentences() == []


def test_change_after_the_journal_blocks_again():
    period = make_issued(due_amount="5")
    export_journal(period)
    make_charge(due_amount="1", account_code="7000")
    issue_statements(period)
    make_rendered()
    assert sentences() == ["Journal J-2025-01-1 was exported before the statements changed: reject or void it."]

    Charge.objects.filter(due_amount=1).update(review_status="excluded")
    issue_statements(period)
    make_rendered()
    acknowledge_journal(period, reference="GL-1")
    assert sentences() == []

    Charge.objects.update(review_status="excluded")
    issue_statements(period)
    assert sentences() == ["The acknowledged journals do not hold what the statements say: export the journal."]


def test_month_with_nothing_due_needs_no_journal():
    make_issued(due_amount="0")

    assert sentences() == []


def test_printed_dispute_date_blocks_until_it_has_passed_and_can_be_overridden(time_machine, settings):
    settings.DISPUTE_DAYS = 10
    time_machine.move_to("2025-02-01T12:00:00Z")
    period = make_issued(due_amount="0")

    time_machine.move_to("2025-02-11T12:00:00Z")
    (blocker,) = [each for each in checklist(period, "finalize") if not each.is_warning]
    assert blocker.sentence == "Statements say that they can be disputed until 2025-02-11."
    assert blocker.is_overridable
    with pytest.raises(Blocked):
        run_transition(period, "finalize", by=None)

    time_machine.move_to("2025-02-12T12:00:00Z")
    assert sentences() == []
    assert Statement.objects.get().dispute_until == date(2025, 2, 11)


def test_mail_that_was_not_sent_is_a_warning():
    make_issued(due_amount="0")

    assert (sentences(), sentences(is_warning=True)) == ([], ["1 statement was not e-mailed."])

    make_delivery("sent")
    assert sentences(is_warning=True) == []


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("failed", "1 e-mail failed: look into it, then queue it again."),
        ("bounced", "1 e-mail bounced: look into it, then queue it again."),
        ("unclear", "1 e-mail was interrupted while sending: look into it, then queue it again."),
    ],
)
def test_failed_and_unclear_mail_is_a_warning(status, sentence):
    make_issued(due_amount="0")

    make_delivery(status)

    assert (sentences(), sentences(is_warning=True)) == ([], [sentence, "1 statement was not e-mailed."])


def test_unassigned_account_code_is_a_warning_where_something_is_due():
    make_charge(due_amount="0", account_code="", service_name="free")
    period = make_issued(due_amount="5")
    make_delivery("sent")
    assert sentences(is_warning=True) == []

    make_charge(due_amount="5", account_code="", service_name="Storage")
    issue_statements(period)
    assert sentences(is_warning=True) == [
        "1 statement was not e-mailed.",
        "1 line without an account code: posted as UNASSIGNED.",
    ]


def test_every_link_opens(client, superuser, settings):
    settings.DISPUTE_DAYS = 10
    period = make_issued(due_amount="5", account_code="")
    make_delivery("failed")
    make_delivery("unclear")
    export_journal(period)
    make_charge()
    ArchivedDocument.objects.filter(kind="statement").delete()
    client.force_login(superuser)

    found = checklist(period, "finalize")

    assert len(found) == 8
    for blocker in found:
        assert client.get(blocker.link).status_code == 200, blocker
