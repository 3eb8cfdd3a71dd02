"""Why a charge was given to whom it was: what is told is what decided then, whatever rules say today."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from charges import review
from charges.adjusting import adjust
from charges.carrying import carry_deferred
from charges.correcting.grounds import Grounds
from charges.correcting.rebilling import Right, correct
from charges.disputing.objecting import open_dispute
from charges.explaining import RELATED, Explanation, explain
from charges.explaining.steps import Part
from charges.importing import correct_row, import_files, received_path
from charges.merging import merge
from charges.models import AttributionRule, Charge, FundingSplit, ImportIssue, Project, Source
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_charge, make_closed, make_finalized, make_fund, make_period, make_pi, make_project

pytestmark = pytest.mark.django_db
NOBODY = {"pi_email": "", "project_id": "", "fund_org": ""}


@pytest.fixture
def deliver(tmp_path):
    """One row of the cluster, loaded; its charge."""

    def run(tags: Any = None, name: str = "jan.csv", **columns: Any) -> Charge:
        import_files([write_focus(tmp_path / name, focus_row(tags, **columns))], source_name="cluster")
        return Charge.objects.current().get()

    return run


def told(charge: Charge, **kwargs: Any) -> Explanation:
    return explain(Charge.objects.select_related(*RELATED).get(pk=charge.pk), **kwargs)


def steps(part: Part) -> dict[str, str]:
    return {step.name: f"{step.verdict}|{step.says}|{step.today}" for step in part.steps}


def fund_steps(charge: Charge, **kwargs: Any) -> dict[str, str]:
    return steps(told(charge, **kwargs).parts[2])


def test_tags_decide_and_the_row_is_shown(deliver):
    found = told(deliver(RegionId="eu-1"))

    assert (found.row.file, found.row.line, found.row.columns["RegionId"]) == ("jan.csv", 2, "eu-1")
    assert [(part.name, part.value) for part in found.parts] == [("PI", "ada@example.edu"), ("Project", "engine"), ("Fund", "NSF-1")]  # fmt: skip
    assert steps(found.parts[0]) == {
        "Reviewer's decision": "named none||",
        "Overriding rule": "named none||",
        "Tag": "decided|pi_email = ada@example.edu|",
        "Filling rule": "not asked||",
    }
    assert steps(found.parts[2]) == {
        "Reviewer's decision": "named none||",
        "Overriding rule": "named none||",
        "Project split": "named none||",
        "Tag": "decided|fund_org = NSF-1|",
        "Filling rule": "not asked||",
        "Project default": "not asked||",
        "Project fallback after its end date": "not asked||",
    }
    assert (found.flags, found.decisions, found.relations) == ([], [], [])


def rule(mode: str, **says: Any) -> AttributionRule:
    return AttributionRule.objects.create(mode=mode, service_name="Compute", **says)


def test_an_overriding_rule_is_told_as_it_was_and_as_it_is(deliver):
    overriding = rule("override", funding_account=make_fund("NSF-9"))
    charge = deliver()
    then = "service Compute → Fund NSF-9"
    assert fund_steps(charge)["Overriding rule"] == f"decided|{then}|"
    assert fund_steps(charge)["Tag"] == "not asked|fund_org = NSF-1|"

    overriding.funding_account = make_fund("NSF-8")
    overriding.save()

    assert fund_steps(charge)["Overriding rule"] == f"decided|{then}|Today it reads: service Compute → Fund NSF-8"


def test_a_filling_rule_names_what_tags_do_not(deliver):
    rule("fill", pi=make_pi("grace@example.edu"), project=make_project("compiler"), funding_account=make_fund("NSF-9"))

    found = told(deliver(NOBODY))

    for part in found.parts:
        assert steps(part)["Tag"] == "named none||"
        assert steps(part)["Filling rule"] == ("decided|service Compute → PI grace, Project compiler, Fund NSF-9|")


def test_a_projects_default_that_is_another_today(deliver):
    project = make_project(default_fund=make_fund("NSF-5"))
    charge = deliver({"fund_org": ""})

    Project.objects.filter(pk=project.pk).update(default_fund=make_fund("NSF-6"))

    assert fund_steps(charge)["Project default"] == (
        "decided|The project's default: NSF-5.|Today the default is NSF-6."
    )


def test_a_split_shows_its_shares(deliver):
    split = FundingSplit.objects.create(
        project=make_project(), first_month="2025-01", remainder_account=make_fund("NSF-2")
    )
    split.shares.create(funding_account=make_fund("NSF-1"), percent="60")
    charge = deliver()
    assert told(charge).parts[2].value == "divided by a split"
    assert fund_steps(charge)["Project split"] == "decided|60 % NSF-1, 40 % NSF-2|"

    FundingSplit.objects.update(last_month="2024-12", first_month="2024-01")

    assert fund_steps(charge)["Project split"] == (
        "decided|A split divided it.|The split does not cover this month any more."
    )


def test_a_fund_that_had_ended_is_set_aside_for_the_fallback(deliver):
    make_project(end_date=date(2024, 12, 31), fallback_fund=make_fund("DEPT"))

    found = fund_steps(deliver())

    assert found["Tag"] == "not valid|fund_org = NSF-1|"
    assert found["Project fallback after its end date"] == "decided|The project's fallback: DEPT.|"


def test_nobody_is_named(deliver):
    found = told(deliver(NOBODY))

    assert [part.value for part in found.parts] == ["none", "none", "none"]
    assert {step.verdict for part in found.parts for step in part.steps} == {"named none"}
    assert {label for label, _ in found.flags} == {"No PI", "No project", "No fund"}


def test_a_merged_fund_goes_by_its_new_name(deliver):
    charge = deliver()
    merge(make_fund("NSF-1"), make_fund("NSF-100"), reason="A typo in the tags.")

    assert fund_steps(charge)["Tag"] == "decided|fund_org = NSF-1, which goes by NSF-100 now|"


# What people did


def test_decisions_alone_and_among_others_are_found(deliver, reviewer):
    charge = deliver(NOBODY)
    other = make_charge(resource_id="other", period=charge.period, source=Source.objects.get())
    payer = {"pi": make_pi(), "project": make_project(), "funding_account": make_fund("NSF-7")}
    review.reattribute(
        Charge.objects.filter(pk__in=[charge.pk, other.pk]), **payer, reason="Ada said so by mail.", by=reviewer
    )
    review.exclude(Charge.objects.filter(pk=charge.pk), reason="It was a test run.", by=reviewer)
    review.exclude(Charge.objects.filter(pk=other.pk), reason="Of the other one.", by=reviewer)

    found = told(charge)

    assert [(made.what, made.by, made.before, made.after, made.reason) for made in found.decisions] == [
        ("Excluded", "reviewer", "clear", "excluded", "It was a test run."),
        ("Payer changed", "reviewer", "no PI / no project / no fund", "ada@example.edu / engine / NSF-7", "Ada said so by mail."),
    ]  # fmt: skip
    for part in found.parts:
        assert steps(part)["Reviewer's decision"].startswith("decided|By reviewer, 20")
        assert steps(part)["Tag"] == "named none||"


def test_a_decision_that_overrules_a_tag(deliver, reviewer):
    charge = deliver()
    review.reattribute(
        Charge.objects.filter(pk=charge.pk),
        funding_account=make_fund("NSF-7"),
        reason="The grant has ended.",
        by=reviewer,
    )

    assert fund_steps(charge)["Tag"] == "overruled|fund_org = NSF-1|"
    assert steps(told(charge).parts[0])["Tag"] == "decided|pi_email = ada@example.edu|"


def test_a_decision_about_an_earlier_delivery_of_the_row(deliver, reviewer):
    first = deliver()
    review.reattribute(
        Charge.objects.filter(pk=first.pk),
        funding_account=make_fund("NSF-7"),
        reason="The grant has ended.",
        by=reviewer,
    )
    second = deliver(name="again.csv", EffectiveCost="90.00", BilledCost="90.00")

    found = told(second)

    assert [made.after for made in found.decisions] == ["ada@example.edu / engine / NSF-7"]
    assert [(relation.words, relation.charge) for relation in found.relations] == [
        ("Replaces, from an earlier delivery,", first)
    ]
    assert [relation.charge for relation in told(first).relations] == [second]


def test_adjustments_and_disputes_of_charge_and_line(deliver):
    charge = deliver()
    payer = {"period": charge.period, "pi": charge.pi, "project": charge.project}
    make_charge(**payer, source=charge.source, service_name="Storage", due_amount=7)
    credit = adjust(
        **payer, kind="credit", charge=charge, description="Outage", reason="The node was down.", due_amount=Decimal(-5)
    )
    line = open_dispute(
        **payer,
        source=charge.source,
        service_name="Compute",
        funding_account=charge.funding_account,
        text="Not our usage.",
    )
    make_charge(source=charge.source, pi=charge.pi, project=charge.project, service_name="Storage")
    open_dispute(**payer, source=charge.source, service_name="Storage", text="Another line of theirs.")

    found = told(charge)

    assert (list(found.adjustments), list(found.disputes)) == ([credit], [line])


def test_a_corrected_row_of_the_quarantine(tmp_path, reviewer):
    import_files([write_focus(tmp_path / "jan.csv", focus_row(EffectiveCost="eighty"))], source_name="cluster")
    charge = correct_row(
        ImportIssue.objects.get(),
        correction={"EffectiveCost": "80.00"},
        reason="The provider confirmed it.",
        by=reviewer,
    )

    row = told(charge).row

    assert (row.columns["EffectiveCost"], row.issue and row.issue.correction) == ("eighty", {"EffectiveCost": "80.00"})


def test_a_kept_file_that_is_gone_leaves_what_is_stored(deliver):
    charge = deliver()
    received_path(charge.file).unlink()

    found = told(charge)

    assert (found.row.columns, found.row.note) == ({}, "jan.csv cannot be read: No such file or directory.")
    assert (found.row.file, found.row.line) == ("jan.csv", 2)
    assert fund_steps(charge)["Tag"] == "decided||"
    assert {step.verdict for step in found.parts[0].steps} == {"not known"}


def test_a_charge_without_a_file_is_explained_too():
    assert told(make_charge()).row.note == "It did not come with a file."


def test_copies_lead_to_their_original_and_back(deliver):
    charge = deliver()
    make_period("2025-02")
    make_finalized(make_closed(charge.period))
    grounds = Grounds(
        cause="fund", explanation="The nodes were tagged with the fund of the group next door.", certifier="Ada Lovelace",
        justification="The group next door told us of it only when its award was closed out.",
    )  # fmt: skip
    (made,) = correct([charge.pk], grounds=grounds, right=Right(funding_account=make_fund("NSF-7")))

    assert [(relation.words, relation.charge) for relation in told(charge).relations] == [
        ("Taken back by", made.reversal),
        ("Billed anew by", made.rebill),
    ]
    assert (told(made.reversal).is_copy, told(made.rebill).is_copy) == (True, False)
    assert [relation.charge for relation in told(made.rebill).relations] == [charge]
    assert list(told(made.rebill).corrections) == [made]
    assert fund_steps(charge)["Tag"] == "decided|fund_org = NSF-1|"  # what was corrected is as it was
    assert [made.what for made in told(charge).decisions] == ["Corrected after its month was finalized"]
    assert told(made.rebill).row.line == 2


def test_a_deferred_charge_leads_to_the_month_that_bills_it(deliver):
    charge = deliver()
    review.defer(Charge.objects.filter(pk=charge.pk), reason="Billed with next month.")
    carry_deferred(charge.period)
    carried = Charge.objects.get(kind="carried")

    assert [(found.words, found.charge) for found in told(charge).relations] == [("Carried over as", carried)]
    assert [(found.words, found.charge) for found in told(carried).relations] == [("Deferred from", charge)]


# What PIs may see


def test_names_and_notes_of_staff_are_hidden_from_the_pi(deliver, reviewer):
    charge = deliver(NOBODY)
    review.reattribute(
        Charge.objects.filter(pk=charge.pk), pi=make_pi(), project=make_project(), funding_account=make_fund(),
        reason="Grace refused to pay.", by=reviewer,
    )  # fmt: skip

    found = told(charge, for_payer=True)

    assert [(made.by, made.before, made.after, made.reason) for made in found.decisions] == [
        ("the billing office", "", "", "")
    ]
    assert steps(found.parts[0])["Reviewer's decision"].startswith("decided|By the billing office, ")
    assert "reviewer" not in str(found.decisions) + str([steps(part) for part in found.parts])


def test_a_rules_words_are_hidden_from_the_pi(deliver):
    rule("override", funding_account=make_fund("NSF-9"))

    assert fund_steps(deliver(), for_payer=True)["Overriding rule"] == "decided|By a rule of the billing office.|"


def test_whom_else_the_tags_name_is_hidden_from_the_pi(deliver):
    charge = deliver({"pi_email": "grace@example.edu"})
    Charge.objects.update(pi=make_pi())

    found = told(charge, for_payer=True)

    assert "Tags" in told(charge).row.columns
    assert "Tags" not in found.row.columns
    assert found.row.columns["ResourceId"] == "i-1"
    assert "grace" not in str([steps(part) for part in found.parts]) + str(found.row)


def test_withdrawn_and_waiting_adjustments_are_hidden_from_the_pi(deliver, settings, reviewer):
    charge = deliver()
    settings.ADJUSTMENT_APPROVAL_ABOVE = Decimal(5)
    what = {"period": charge.period, "pi": charge.pi, "project": charge.project, "kind": "credit", "charge": charge}
    adjust(**what, description="Waits", reason="The node was down.", due_amount=Decimal(-6))
    small = adjust(**what, description="Small", reason="The node was down.", due_amount=Decimal(-1))

    assert [found.description for found in told(charge).adjustments] == ["Waits", "Small"]
    assert list(told(charge, for_payer=True).adjustments) == [small]


@pytest.mark.parametrize("times", [1, 3])
def test_the_number_of_queries_does_not_grow(deliver, django_assert_num_queries, times):
    charge = deliver()
    for _ in range(times):
        review.exclude(Charge.objects.filter(pk=charge.pk), reason="It was a test run.")
        review.undo(Charge.objects.filter(pk=charge.pk))
        payer = {"period": charge.period, "pi": charge.pi, "project": charge.project}
        adjust(
            **payer, kind="credit", charge=charge, description="Outage", reason="Node was down.", due_amount=Decimal(-1)
        )

    with django_assert_num_queries(14):
        told(charge)
