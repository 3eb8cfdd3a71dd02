"""The quarantine: undecided rows first, discarded many at once with one reason."""

import pytest
from django.contrib.messages import get_messages
from django.utils import timezone

from charges.models import FocusImport, ImportIssue
from tests.admin_rows import make_row

LIST = "/admin/charges/importissue/"
REASON = "The provider's own test rows"


@pytest.fixture
def desk(client, billing_admin):
    client.force_login(billing_admin)
    return client


def quarantined(status="open"):
    issue = make_row(ImportIssue)
    ImportIssue.objects.filter(pk=issue.pk).update(status=status)
    return issue


def statuses():
    return list(ImportIssue.objects.order_by("pk").values_list("status", flat=True))


def test_the_list_shows_undecided_rows_unless_others_are_asked_for(desk):
    waiting, discarded = quarantined(), quarantined("discarded")

    def listed(query):
        return {issue.pk for issue in desk.get(f"{LIST}{query}").context["cl"].queryset}

    assert listed("") == {waiting.pk}
    assert listed("?status__exact=discarded") == {discarded.pk}
    assert listed("?status__exact=all") == {waiting.pk, discarded.pk}


def test_the_import_leads_to_all_of_its_rows(desk):
    issue = quarantined("discarded")
    FocusImport.objects.filter(pk=issue.focus_import_id).update(rows=1, quarantined=1)

    page = desk.get(f"/admin/charges/focusimport/{issue.focus_import_id}/change/").content.decode()

    assert f"{LIST}?focus_import__id__exact={issue.focus_import_id}&amp;status__exact=all" in page
    query = {"focus_import__id__exact": issue.focus_import_id, "status__exact": "all"}
    assert desk.get(LIST, query).context["cl"].result_count == 1


def test_rows_are_discarded_in_bulk_once_a_reason_is_given(desk):
    first, second, _other = quarantined(), quarantined(), quarantined()

    asked = desk.post(LIST, {"action": "discard", "_selected_action": [first.pk, second.pk]})
    assert (asked.context["title"], statuses()) == ("Discard: 2 rows selected", ["open", "open", "open"])

    hidden = {"action": "discard", "shown": "2", "_selected_action": [first.pk, second.pk]}
    short = desk.post(LIST, {**hidden, "reason": "no"})
    assert (list(short.context["form"].errors), statuses()) == (["reason"], ["open", "open", "open"])

    done = desk.post(LIST, {**hidden, "reason": REASON})
    assert statuses() == ["discarded", "discarded", "open"]
    assert [str(message) for message in get_messages(done.wsgi_request)] == ["2 rows discarded."]


def test_an_auditor_discards_nothing(client, auditor):
    issue = quarantined()
    client.force_login(auditor)

    client.post(LIST, {"action": "discard", "_selected_action": [issue.pk], "shown": "1", "reason": REASON})

    assert statuses() == ["open"]


def shown(desk, issue):
    response = desk.get(f"{LIST}{issue.pk}/change/")
    return [field.field["name"] for fieldset in response.context["adminform"] for line in fieldset for field in line]


def test_an_undecided_row_shows_no_decision(desk):
    always = ["place", "file", "wrong", "way_out", "column", "found", "source", "period", "state", "import_link"]
    issue = quarantined()
    ImportIssue.objects.update(decided_at=None, correction={})
    assert shown(desk, issue) == [*always, "row_as_it_came"]

    ImportIssue.objects.update(decided_at=timezone.now())
    assert shown(desk, issue) == [*always, "decided_by", "decided_at", "reason", "row_as_it_came"]

    ImportIssue.objects.update(correction={"BilledCost": "1"}, status="corrected")
    corrected = [*always, "decided_by", "decided_at", "reason", "charge_link", "correction_made", "row_as_it_came"]
    assert shown(desk, issue) == corrected
