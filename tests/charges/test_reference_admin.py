"""The reference data that staff keep: rules, splits, sources, and waivers."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from charges.admin.upload_storage import GONE, claim
from charges.models import AttributionRule, FundingAccount, FundingSplit, Source, SourceWaiver
from periods.errors import Refused
from periods.models import AuditEntry
from tests.charges.desk import desk, errors, payer, upload
from tests.make import make_fund, make_period, make_project, make_source

__all__ = ["desk", "payer"]


def test_a_rule_that_matches_everything_is_refused_in_a_spreadsheet_too(desk, payer):
    header = "id,order,mode,source,sub_account_id,resource_prefix,service_name,tag,valid_from,valid_until,pi_email,project_id,fund_org"

    result = upload(desk, "attributionrule", f"{header}\n,10,fill,,,,,,,,ada@example.edu,,\n").context["result"]

    assert [message for invalid in result.invalid_rows for message in invalid.error.messages] == [
        "Name at least one thing to match: without it the rule would take every charge."
    ]
    assert AttributionRule.objects.count() == 0


def split(*percents, **changes):
    rows = {
        f"shares-{number}-{name}": value
        for number, percent in enumerate(percents)
        for name, value in (("funding_account", make_fund(f"share-{number}").pk), ("percent", percent))
    }
    return {
        "project": make_project().pk,
        "first_month": "2025-01",
        "remainder_account": make_fund().pk,
        "shares-TOTAL_FORMS": len(percents),
        "shares-INITIAL_FORMS": 0,
        **rows,
        **changes,
    }


@pytest.mark.parametrize(("percents", "is_kept"), [(["60"], True), (["60", "40"], True), (["60", "40.01"], False)])
def test_shares_leave_between_nothing_and_all_for_the_remainder(desk, db, percents, is_kept):
    response = desk.post("/admin/charges/fundingsplit/add/", split(*percents))

    assert (response.status_code == 302, FundingSplit.objects.exists()) == (is_kept, is_kept)


@pytest.mark.parametrize("months", [{"first_month": "2025-1"}, {"last_month": "2024-12"}, {"last_month": "never"}])
def test_a_split_is_for_whole_months_in_order(desk, db, months):
    response = desk.post("/admin/charges/fundingsplit/add/", split("50", **months))

    assert list(response.context["adminform"].form.errors) == list(months)


def source_settings(**changes):
    settings = {"name": "cluster", "basis": "effective_cost", "approval_threshold": "0"}
    return {**settings, "delivery": "snapshot", "late_policy": "refuse", "shared_costs": "hold", **changes}


def test_a_source_says_how_its_files_are_to_be_read(desk, db):
    page = f"/admin/charges/source/{make_source().pk}/change/"

    answers = source_settings(delivery="append", reference_column="LineId", has_inclusive_ends="on", late_policy="keep")
    desk.post(page, {**answers, "encoding": "cp1252"})

    source = Source.objects.get()
    found = (source.delivery, source.reference_column, source.has_inclusive_ends, source.late_policy, source.encoding)
    assert found == ("append", "LineId", True, "keep", "cp1252")


def test_an_append_source_needs_its_reference_column(desk, db):
    response = desk.post(f"/admin/charges/source/{make_source().pk}/change/", source_settings(delivery="append"))

    errors = response.context["adminform"].form.errors
    assert errors == {"reference_column": ["An append source needs its reference column."]}


def test_a_source_keeps_the_history_of_its_settings(desk, db):
    source = make_source()
    page = f"/admin/charges/source/{source.pk}/change/"

    desk.post(page, source_settings(funder="Provost"))

    assert Source.objects.get().funder == "Provost"
    assert [record.funder for record in Source.history.all()] == ["Provost", ""]
    assert desk.get(f"/admin/charges/source/{source.pk}/history/").status_code == 200


def test_a_waiver_is_audited_with_its_reason(desk, billing_admin):
    period, source = make_period(), make_source()
    answers = {"source": source.pk, "period": period.pk, "reason": "The provider sends nothing this month"}

    desk.post("/admin/charges/sourcewaiver/add/", answers)

    entry = AuditEntry.objects.get(action="waive")
    assert (SourceWaiver.objects.get().by, entry.period, entry.reason) == (billing_admin, period, answers["reason"])


def test_a_waiver_needs_a_reason_in_words(desk, db):
    answers = {"source": make_source().pk, "period": make_period().pk, "reason": "no"}

    response = desk.post("/admin/charges/sourcewaiver/add/", answers)

    assert errors(response) == ["Give a reason of at least 10 characters."]
    assert SourceWaiver.objects.count() == 0


def test_a_sheet_is_confirmed_once_and_leaves_nothing_behind(desk, db, home):
    confirmed = upload(desk, "fundingaccount", "code,description\nF-1,Gift\n").context["confirm_form"].initial
    [kept] = [path for path in home.rglob("*") if path.is_file()]
    assert kept.read_text() == "code,description\nF-1,Gift\n"

    desk.post("/admin/charges/fundingaccount/process_import/", confirmed)
    again = desk.post("/admin/charges/fundingaccount/process_import/", confirmed, follow=True)

    assert [str(message) for message in again.context["messages"]][1:] == [
        "The upload is gone: it was confirmed already, or is older than a day. Upload it again."
    ]
    assert again.redirect_chain == [("/admin/charges/fundingaccount/import/", 302)]
    assert [fund.code for fund in FundingAccount.objects.all()] == ["F-1"]
    assert list((home / "uploads").iterdir()) == []


def test_of_two_who_confirm_at_once_one_goes_on(desk, db, home):
    name = (
        upload(desk, "fundingaccount", "code,description\nF-1,Gift\n")
        .context["confirm_form"]
        .initial["import_file_name"]
    )

    def confirm(_):
        try:
            return claim(name)
        except Refused as refusal:
            return str(refusal)

    with ThreadPoolExecutor(8) as people:
        answers = list(people.map(confirm, range(8)))

    [claimed] = [path.name for path in (home / "uploads").iterdir()]
    assert sorted(answers, key=len) == [claimed, *[GONE] * 7]


def test_an_upload_that_nobody_confirms_is_thrown_away_after_a_day(desk, db, home):
    upload(desk, "fundingaccount", "code,description\nF-1,Gift\n")
    [abandoned] = (home / "uploads").iterdir()
    os.utime(abandoned, (0, 0))

    upload(desk, "fundingaccount", "code,description\nF-2,Gift\n")

    assert not abandoned.exists()
    assert len(list((home / "uploads").iterdir())) == 1


def test_a_file_of_another_folder_cannot_be_confirmed(desk, db, home, tmp_path):
    confirmed = upload(desk, "fundingaccount", "code,description\nF-1,Gift\n").context["confirm_form"].initial
    (home / "uploads" / "secret").write_text("code,description\nF-2,Gift\n")

    desk.post("/admin/charges/fundingaccount/process_import/", confirmed | {"import_file_name": "secret"})

    assert not FundingAccount.objects.exists()
