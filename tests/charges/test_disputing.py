"""A PI objects; staff write and decide; the amount stays due until then, and never more than it is taken off."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile

from charges.adjusting.crediting import make_campaign, preview_campaign
from charges.disputing.at_stake import at_stake
from charges.disputing.objecting import answer, deny, open_dispute, uphold, withdraw_dispute, write_to_staff
from charges.models import Adjustment, Charge, CreditCampaign, Dispute, FundingSplit
from charges.review import reattribute
from periods.errors import NotPermitted, PeriodLocked, Refused, WrongState
from periods.models import AuditEntry
from tests.charges.disputes import OBJECTION, YES, dispute, of_charge, of_line
from tests.make import make_charge, make_finalized, make_fund, make_import, make_pi, make_project

__all__ = ["dispute"]

pytestmark = pytest.mark.django_db


NOTHING = "Nothing of it is billed there any more: look at the statement again, or wait for its revision."


def refusal(run: Any) -> str:
    with pytest.raises(Refused) as refused:
        run()
    return str(refused.value)


def test_opening_keeps_what_is_at_stake_and_leaves_a_trace(dispute: Dispute, outsider: User) -> None:
    assert (dispute.list_amount, dispute.due_amount) == (100, 50)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.by, entry.reason, entry.period) == ("dispute", outsider, OBJECTION, dispute.period)
    assert entry.after == {"about": "node-1 · HPC Cluster", "list": "100.00", "due": "50.00"}


@pytest.mark.parametrize(
    ("list_amount", "due_amount", "ground", "amount", "granted"),
    [
        ("100", "50", "usage", None, (-100, -50)),
        ("100", "50", "usage", "20", (-40, -20)),
        ("100", "50", "price", None, (0, -50)),
        ("100", "50", "price", "20", (0, -20)),
        ("100", "30", "usage", "10", (Decimal("-33.33"), -10)),
        ("2400", "0", "usage", None, (-2400, 0)),
        ("2400", "0", "usage", "600", (-600, 0)),
        ("-100", "-50", "usage", "20", (40, 20)),
        ("10.006", "10.006", "usage", None, (Decimal("-10.01"), Decimal("-10.01"))),
    ],
)
def test_upholding_takes_off_by_its_ground(list_amount, due_amount, ground, amount, granted) -> None:
    dispute = of_charge(make_charge(list_amount=list_amount, due_amount=due_amount))

    upheld = uphold(dispute, ground=ground, amount=amount and Decimal(amount), text=YES)

    made = Adjustment.objects.get()
    assert (made.list_amount, made.due_amount) == granted
    assert (made.kind, made.charge, made.funding_account) == ("correction", dispute.charge, make_fund())
    assert (upheld.granted_list, upheld.granted_due) == granted
    assert (upheld.state, upheld.adjustment, upheld.ground) == ("upheld", made, ground)
    assert [(m.text, m.is_staff) for m in upheld.messages.all()] == [(OBJECTION, False), (YES, True)]


@pytest.mark.parametrize(
    ("ground", "amount", "sentence"),
    [
        ("usage", "50.01", "At most $50.00 is left to take off, after earlier adjustments."),
        ("price", "50.01", "At most $50.00 is left to take off, after earlier adjustments."),
        ("price", "0", "Give an amount above zero, of whole coins; or none, to take off all of it."),
        ("usage", "-1", "Give an amount above zero, of whole coins; or none, to take off all of it."),
        ("usage", "0.001", "Give an amount above zero, of whole coins; or none, to take off all of it."),
    ],
)
def test_no_more_than_is_disputed_is_taken_off(dispute: Dispute, ground, amount, sentence) -> None:
    assert refusal(lambda: uphold(dispute, ground=ground, amount=Decimal(amount), text=YES)) == sentence
    assert Adjustment.objects.count() == 0


def test_earlier_adjustments_lower_what_can_be_taken_off(dispute: Dispute) -> None:
    uphold(dispute, ground="price", amount=Decimal(30), text=YES)
    again = of_charge(dispute.charge)

    assert (at_stake(again), again.due_amount) == ((100, 20), 20)
    assert "At most $20.00" in refusal(lambda: uphold(again, ground="price", amount=Decimal("20.01"), text=YES))


def test_a_withdrawn_adjustment_lowers_nothing(dispute: Dispute) -> None:
    uphold(dispute, ground="usage", text=YES)
    Adjustment.objects.update(withdrawn_at="2025-02-01T00:00Z")

    assert at_stake(of_charge(dispute.charge)) == (100, 50)


def test_a_charge_of_a_line_that_was_taken_off_is_not_taken_off_again(dispute: Dispute) -> None:
    make_charge(list_amount="20", due_amount="10")
    line = of_line()
    assert at_stake(line) == (120, 60)
    uphold(line, ground="usage", amount=Decimal(55), text=YES)

    assert at_stake(dispute) == (10, 5)
    uphold(dispute, ground="usage", text=YES)
    assert refusal(of_line) == NOTHING


def test_a_line_whose_charges_went_to_another_fund_is_none_to_object_to(dispute: Dispute) -> None:
    reattribute(Charge.objects.all(), funding_account=make_fund("GIFT"), reason="the gift fund bears it")

    assert refusal(of_line) == NOTHING
    assert at_stake(of_line(funding_account=make_fund("GIFT"))) == (100, 50)


def test_a_refund_beside_it_does_not_limit_a_charge(dispute: Dispute) -> None:
    make_charge(list_amount="-80", due_amount="-40")

    assert at_stake(dispute) == (100, 50)


def test_a_wrong_price_of_nothing_takes_nothing_off() -> None:
    dispute = of_charge(make_charge(list_amount="2400", due_amount="0"))

    assert refusal(lambda: uphold(dispute, ground="price", text=YES)) == (
        "Nothing of it is charged to them any more, so nothing can be taken off: deny it and say so."
    )


@pytest.mark.parametrize("change", [{"review_status": "excluded"}, {"pi": "grace@example.edu"}])
def test_a_charge_that_is_not_billed_to_them_any_more_is_not_upheld(dispute: Dispute, change) -> None:
    values = {name: make_pi(value) if name == "pi" else value for name, value in change.items()}
    Charge.objects.filter(pk=dispute.charge.pk).update(**values)

    assert "Nothing of it is charged to them" in refusal(
        lambda: uphold(Dispute.objects.get(), ground="usage", text=YES)
    )


def test_a_dispute_on_a_replaced_charge_is_upheld_beside_it(dispute: Dispute) -> None:
    charge = dispute.charge
    Charge.objects.filter(pk=charge.pk).update(superseded_by=make_import(charge.period, charge.source))
    make_charge(list_amount="80", due_amount="40")

    uphold(Dispute.objects.get(), ground="usage", text=YES)

    made = Adjustment.objects.get()
    assert (made.charge, made.source, made.funding_account) == (None, charge.source, charge.funding_account)
    assert (made.list_amount, made.due_amount) == (-80, -40)


def test_a_split_charge_is_corrected_fund_by_fund() -> None:
    split = FundingSplit.objects.create(
        project=make_project(), first_month="2025-01", remainder_account=make_fund("REST")
    )
    split.shares.create(funding_account=make_fund("A"), percent=Decimal(60))
    dispute = of_charge(make_charge(list_amount="0.03", due_amount="0.03", funding_account=None, fund_step="split"))

    upheld = uphold(dispute, ground="usage", text=YES)

    made = Adjustment.objects.order_by("pk")
    assert [(one.funding_account.code, one.list_amount, one.due_amount) for one in made] == [
        ("A", Decimal("-0.01"), Decimal("-0.01")),
        ("REST", Decimal("-0.02"), Decimal("-0.02")),
    ]
    assert (upheld.adjustment, upheld.granted_due) == (made[0], Decimal("-0.03"))
    assert refusal(lambda: of_charge(dispute.charge)) == NOTHING


def test_whether_somebody_else_must_approve_is_judged_on_the_whole(settings) -> None:
    settings.ADJUSTMENT_APPROVAL_ABOVE = Decimal(1000)
    split = FundingSplit.objects.create(project=make_project(), first_month="2025-01", remainder_account=make_fund("B"))
    split.shares.create(funding_account=make_fund("A"), percent=Decimal(50))
    charge = make_charge(list_amount="1500", due_amount="1500", funding_account=None, fund_step="split")

    uphold(of_charge(charge), ground="usage", text=YES)

    made = Adjustment.objects.order_by("pk").values_list("due_amount", "needs_approval")
    assert list(made) == [(-750, True), (-750, True)]


@pytest.mark.parametrize(("codes", "expected"), [(("61400", "61400"), "61400"), (("61400", "61420"), "")])
def test_the_correction_is_posted_where_the_charge_was(codes, expected) -> None:
    charges = [make_charge(list_amount="100", due_amount="50", account_code=code) for code in codes]

    uphold(of_charge(charges[0]), ground="usage", amount=Decimal(1), text=YES)
    uphold(of_line(), ground="usage", amount=Decimal(1), text=YES)

    assert list(Adjustment.objects.order_by("pk").values_list("account_code", flat=True)) == ["61400", expected]


def test_the_credits_of_a_campaign_leave_of_a_line_what_its_statement_says() -> None:
    charges = [make_charge(list_amount="0.04", due_amount="0.04") for _ in range(300)]
    make_campaign(
        CreditCampaign(
            period=charges[0].period,
            code="OUTAGE",
            description="Outage",
            reason="Down for two days",
            percent=Decimal(10),
        )
    )

    assert at_stake(of_line(service_name=charges[0].service_name)).due == Decimal("10.80")


@pytest.mark.parametrize(("granted", "credited"), [(Decimal(100), []), (Decimal(40), [Decimal(-45), Decimal(-15)])])
def test_a_campaign_credits_what_an_upheld_line_has_left(granted, credited) -> None:
    charges = [make_charge(list_amount=due, due_amount=due) for due in ("75", "25")]
    uphold(of_line(service_name=charges[0].service_name), ground="price", amount=granted, text=YES)

    campaign = CreditCampaign(
        period=charges[0].period, code="OUTAGE", description="Outage", reason="Down for two days", percent=Decimal(100)
    )
    found = preview_campaign(campaign)

    assert [-credit for _, credit in found.credits] == credited


def test_denying_answers_and_changes_no_amount(dispute: Dispute) -> None:
    deny(dispute, text="Your group started it on the 3rd.")

    dispute.refresh_from_db()
    assert (dispute.state, Adjustment.objects.count()) == ("denied", 0)
    with pytest.raises(WrongState):
        deny(dispute, text="Your group started it on the 3rd.")


def test_both_sides_write_while_it_is_open(dispute: Dispute, outsider: User, billing_admin: User) -> None:
    answer(dispute, text="Which machine is it then?", by=billing_admin)
    write_to_staff(dispute, text="node-2", files=[SimpleUploadedFile("n.txt", b"node-2")], by=outsider)

    assert [(m.text, m.by, m.is_staff) for m in dispute.messages.all()[1:]] == [
        ("Which machine is it then?", billing_admin, True),
        ("node-2", outsider, False),
    ]
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == ["dispute", "answer", "write"]
    deny(dispute, text="No, it is yours indeed.")
    said = "This dispute is denied: nothing is added to it any more."
    assert refusal(lambda: answer(dispute, text=YES)) == said
    assert refusal(lambda: write_to_staff(dispute, text=YES, by=outsider)) == said
    assert refusal(lambda: uphold(dispute, ground="usage", text=YES)) == said


def test_a_refused_file_leaves_no_message(dispute: Dispute, outsider: User) -> None:
    file = SimpleUploadedFile("run.exe", b"MZ")

    assert "run.exe is no file that can be attached." in refusal(
        lambda: write_to_staff(dispute, text="See there", files=[file], by=outsider)
    )
    assert dispute.messages.count() == 1


@pytest.mark.parametrize(("text", "sentence"), [(" ", "Write a message."), ("x" * 10_001, "Write at most 10,000")])
def test_a_message_has_words_and_an_end(dispute: Dispute, outsider: User, text, sentence) -> None:
    assert sentence in refusal(lambda: write_to_staff(dispute, text=text, by=outsider))


def test_one_dispute_is_open_on_a_charge_or_a_line_at_a_time(dispute: Dispute, outsider: User) -> None:
    line = of_line(by=outsider)
    make_charge(funding_account=make_fund("OTHER"))

    assert refusal(lambda: of_charge(dispute.charge)) == f"It is in dispute already: write to dispute {dispute.pk}."
    assert refusal(of_line) == f"It is in dispute already: write to dispute {line.pk}."
    assert of_line(funding_account=make_fund("OTHER")).pk
    withdraw_dispute(dispute, by=outsider)
    deny(line, text="Your group started it on the 3rd.")
    assert (of_charge(dispute.charge).state, of_line().state) == ("open", "open")


def test_only_the_one_who_opened_it_withdraws(dispute: Dispute, outsider: User, billing_admin: User) -> None:
    with pytest.raises(NotPermitted):
        withdraw_dispute(dispute, by=billing_admin)

    assert withdraw_dispute(dispute, by=outsider).state == "withdrawn"


STAFF_STAGES = {
    "answer": lambda dispute, by: answer(dispute, text=YES, by=by),
    "uphold": lambda dispute, by: uphold(dispute, ground="usage", text=YES, by=by),
    "deny": lambda dispute, by: deny(dispute, text=YES, by=by),
}


@pytest.mark.parametrize("stage", STAFF_STAGES)
@pytest.mark.parametrize("role", ["billing_admin", "reviewer", "finance", "auditor", "outsider"])
def test_each_stage_asks_for_its_permission(dispute: Dispute, request, role, stage) -> None:
    by = request.getfixturevalue(role)
    if role in {"billing_admin", "reviewer"}:
        assert STAFF_STAGES[stage](dispute, by).pk == dispute.pk
    else:
        with pytest.raises(NotPermitted):
            STAFF_STAGES[stage](dispute, by)


def test_a_dispute_names_a_charge_or_a_line(dispute: Dispute) -> None:
    assert "Say what is disputed" in refusal(
        lambda: open_dispute(period=dispute.period, pi=dispute.pi, project=dispute.project, text="All of it is wrong.")
    )


def test_a_finalized_month_takes_no_dispute(dispute: Dispute, outsider: User) -> None:
    make_finalized(dispute.period)

    for run in (
        lambda: deny(dispute, text="Your group started it on the 3rd."),
        lambda: uphold(dispute, ground="usage", text=YES),
        lambda: answer(dispute, text=YES),
        lambda: write_to_staff(dispute, text=YES, by=outsider),
        lambda: withdraw_dispute(dispute, by=outsider),
        of_line,
    ):
        with pytest.raises(PeriodLocked):
            run()
