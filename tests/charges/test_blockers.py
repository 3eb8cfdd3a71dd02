from decimal import Decimal

import pytest

from charges.adjusting import adjust, withdraw
from charges.blockers import adjustments_on_charges_not_billed
from charges.disputing.objecting import deny, open_dispute, uphold
from charges.importing import discard
from charges.models import Adjustment, Charge, FocusImport, ImportIssue, ReceivedFile, SourceWaiver
from charges.review import approve, exclude, reattribute
from periods.blockers import checklist
from periods.lifecycle import Blocked, close_period
from tests.make import make_charge, make_fund, make_import, make_period, make_pi, make_project, make_source

pytestmark = pytest.mark.django_db


def sentences(transition, period=None, *, is_warning=False):
    found = checklist(period or make_period(), transition)
    ours = [blocker for blocker in found if "statement" not in blocker.sentence]
    return [blocker.sentence for blocker in ours if blocker.is_warning == is_warning]


def make_staged():
    """An upload that waits for somebody to confirm it: its rows name the month, no scope does yet."""
    staged = FocusImport.objects.create(source=make_source("AWS East"))
    make_charge(source=staged.source, loaded_by=staged)
    return staged


def make_issue(**kwargs):
    loaded = make_import(make_period(), make_source())
    file = ReceivedFile.objects.create(focus_import=loaded, name="january.csv", sha256="0" * 64, size=1)
    return ImportIssue.objects.create(
        **{"focus_import": loaded, "period": make_period(), "file": file, "line_number": 2, "sentence": "bad", **kwargs}
    )


def test_clean_month_has_nothing_in_its_way():
    make_charge()

    assert checklist(make_period(), "close") == []


@pytest.mark.parametrize("transition", ["close", "finalize"])
def test_staged_import_blocks_until_it_is_discarded(transition):
    staged = make_staged()

    assert sentences(transition) == [f"Import {staged.pk} of AWS East is staged: load it or discard it."]
    assert sentences(transition, make_period("2025-02")) == []

    discard(staged, by=None, reason="the wrong file")
    assert sentences(transition) == []


def test_staged_import_of_quarantined_rows_only_blocks_the_close():
    staged = FocusImport.objects.create(source=make_source("AWS East"))
    make_issue(focus_import=staged)

    assert sentences("close") == [f"Import {staged.pk} of AWS East is staged: load it or discard it."]


def test_close_refused_while_an_import_is_staged():
    make_staged()

    with pytest.raises(Blocked):
        close_period(make_period())

    make_period().refresh_from_db()
    assert make_period().state == "open"


def test_source_expected_monthly_blocks_the_close_until_it_delivers():
    source = make_source("aws", is_expected_monthly=True)
    make_source("azure")
    make_import(make_period("2024-12"), source)
    expected = "aws is expected every month and has delivered nothing: import its files, or waive it for this month."

    assert sentences("close") == [expected]
    assert checklist(make_period(), "close")[0].link == "/admin/charges/focusimport/files/"

    make_import(make_period(), source, kind=FocusImport.Kind.CARRIED)
    assert sentences("close") == [expected]

    make_import(make_period(), source)
    assert sentences("close") == []


def test_waived_source_does_not_block_its_month():
    source = make_source("aws", is_expected_monthly=True)

    SourceWaiver.objects.create(source=source, period=make_period(), reason="no usage")

    assert (len(sentences("close")), len(sentences("close", make_period("2025-02")))) == (0, 1)


def test_reversed_delivery_is_none():
    source = make_source("aws", is_expected_monthly=True)

    make_import(make_period(), source, state="reversed")

    assert len(sentences("close")) == 1


@pytest.mark.parametrize(("count", "sentence"), [(1, "1 charge awaits review"), (12, "12 charges await review")])
def test_held_charges_warn_at_the_close_and_block_the_finalizing(count, sentence):
    charges = [make_charge(review_status="held", flags={"pattern": "looks odd"}) for _ in range(count)]

    assert (sentences("close"), sentences("close", is_warning=True)) == ([], [sentence])
    assert (sentences("finalize"), sentences("finalize", is_warning=True)) == ([sentence], [])

    approve(type(charges[0]).objects.all(), by=None, reason="all of it is right")
    assert (sentences("close", is_warning=True), sentences("finalize")) == ([], [])


def test_superseded_held_charge_blocks_nothing():
    charge = make_charge(review_status="held")
    charge.superseded_by = charge.loaded_by
    charge.save()

    assert sentences("finalize") == []


def test_undecided_quarantined_row_warns_at_the_close_and_blocks_the_finalizing():
    issue = make_issue()

    assert (sentences("close"), sentences("finalize")) == ([], ["1 quarantined row is undecided"])
    assert sentences("close", is_warning=True) == [
        (
            "1 quarantined row is undecided: correct the file and import it again while the month is open, "
            "or discard what is not to be billed."
        )
    ]

    ImportIssue.objects.filter(pk=issue.pk).update(status="discarded")
    assert (sentences("close", is_warning=True), sentences("finalize")) == ([], [])


def test_quarantined_row_of_a_discarded_import_blocks_nothing():
    make_issue(focus_import=FocusImport.objects.create(source=make_source(), state="discarded"))

    assert sentences("finalize") == []


def test_open_dispute_blocks_the_finalizing():
    charge = make_charge()
    dispute = open_dispute(
        by=None, period=make_period(), pi=charge.pi, project=charge.project, charge=charge, text="this is not ours"
    )

    assert sentences("finalize") == ["1 dispute is open"]

    deny(dispute, by=None, text="it is yours, see the log")
    assert sentences("finalize") == []


def credit(charge):
    return adjust(
        by=None,
        period=make_period(),
        kind="credit",
        pi=make_pi(),
        project=make_project(),
        charge=charge,
        description="Goodwill",
        reason="agreed with the PI",
        due_amount=Decimal(-1),
    )


def test_adjustment_on_a_superseded_charge_blocks_the_finalizing_until_withdrawn():
    charge = make_charge(due_amount="5")
    adjustment = credit(charge)
    assert sentences("finalize") == []

    charge.superseded_by = charge.loaded_by
    charge.save()
    assert sentences("finalize") == [
        "1 adjustment is on a charge that a later delivery replaced: withdraw it, or enter it anew without it"
    ]

    withdraw(adjustment, by=None, reason="the charge is gone")
    assert sentences("finalize") == []


def test_adjustment_on_a_charge_of_a_reversed_import_blocks_the_finalizing():
    charge = make_charge(due_amount="5")
    credit(charge)

    FocusImport.objects.filter(pk=charge.loaded_by_id).update(state="reversed")

    assert len(sentences("finalize")) == 1


def test_every_link_opens_the_rows_it_speaks_of(client, superuser):
    make_staged()
    make_issue()
    make_charge(review_status="held", due_amount="5")
    charge, superseded = make_charge(due_amount="5"), make_charge(due_amount="5")
    credit(superseded)
    type(superseded).objects.filter(pk=superseded.pk).update(superseded_by=superseded.loaded_by)
    open_dispute(
        by=None, period=make_period(), pi=make_pi(), project=make_project(), charge=charge, text="not our usage"
    )
    make_source("gcp", is_expected_monthly=True)
    client.force_login(superuser)

    links = {blocker.link for name in ("close", "finalize") for blocker in checklist(make_period(), name)}

    assert len(links) >= 6
    for link in links:
        page = client.get(link)
        assert page.status_code == 200, link
        if link != "/admin/charges/focusimport/files/":
            assert page.context["cl"].result_count == (0 if "statement" in link else 1), link


@pytest.mark.parametrize(
    "decide",
    [
        lambda charges: exclude(charges, reason="Our own experiment"),
        lambda charges: reattribute(charges, pi=make_pi("bob@example.edu"), reason="Of another group"),
    ],
)
def test_a_credit_must_not_outlive_its_charge(decide):
    charge = make_charge()
    credit = {"description": "Outage", "reason": "agreed by mail", "due_amount": "-1", "kind": "credit"}
    Adjustment.objects.create(
        period=charge.period, pi=charge.pi, project=charge.project, funding_account=charge.funding_account,
        charge=charge, **credit,
    )  # fmt: skip
    sentence = "1 adjustment is on a charge that its payer is not billed for any more: withdraw it"
    before = [blocker.sentence for blocker in adjustments_on_charges_not_billed(charge.period)]

    decide(Charge.objects.filter(pk=charge.pk))

    after = [blocker.sentence for blocker in adjustments_on_charges_not_billed(charge.period)]
    assert (before, after) == ([], [sentence])


def test_what_a_dispute_took_off_a_line_must_not_outlive_its_charges():
    charges = [make_charge(due_amount="50"), make_charge(due_amount="30")]
    line = {"source": make_source(), "service_name": "HPC Cluster", "funding_account": make_fund()}
    dispute = open_dispute(period=make_period(), pi=make_pi(), project=make_project(), text="this is not ours", **line)
    uphold(dispute, ground="price", amount=Decimal(40), text="indeed it is not")

    exclude(Charge.objects.filter(pk=charges[1].pk), reason="Our own experiment")
    assert sentences("finalize") == []
    exclude(Charge.objects.filter(pk=charges[0].pk), reason="Our own experiment")
    assert sentences("finalize") == ["1 upheld dispute took more off a line than it bills now: withdraw its adjustment"]


def test_a_credit_on_an_account_that_no_longer_bears_the_charge_is_warned_of():
    charge = make_charge(due_amount="50")
    credit(charge)
    assert sentences("finalize", is_warning=True) == []

    reattribute(Charge.objects.all(), funding_account=make_fund("NSF-2"), reason="The first grant is used up")

    assert sentences("finalize", is_warning=True) == ["1 adjustment is on another account than its charge"]
