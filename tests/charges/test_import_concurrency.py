"""Real processes at once on one database: nobody's half is ever in effect, and people get in between."""

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection
from django.db.models import Count, Sum

from charges import review
from charges.importing import import_files
from charges.importing.reading import text
from charges.models import Charge, FocusImport, FundingAccount, PrincipalInvestigator, Project, Source
from tests.charges.focus_files import focus_row, write_focus
from tests.charges.processes import start_import

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 3000
OVERTAKEN = "CommandError: Another delivery of aws was loaded meanwhile. Run this one again.\n"


def of_many(cost: str, **columns: str) -> Iterator[dict]:
    """Every tenth row names another PI, project and fund."""
    for n in range(ROWS):
        tags = {"pi_email": f"pi{n // 10}@example.edu", "project_id": f"p{n // 10}", "fund_org": f"F-{n // 10}"}
        yield focus_row(tags=tags, ResourceId=f"i-{n}", EffectiveCost=cost, **columns)


def ends(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    complained = process.communicate()[1].decode()
    return process.returncode, complained


def in_effect() -> dict[str, tuple[int, Decimal]]:
    """Rows and due by source."""
    sources = Charge.objects.current().values("source__name").annotate(n=Count("pk"), due=Sum("due_amount"))
    return {row["source__name"]: (row["n"], row["due"]) for row in sources.order_by()}


@pytest.mark.parametrize("lead", [0, 0.4, 0.8])
def test_of_two_restatements_at_once_one_is_in_effect_and_whole(
    tmp_path: Path, settings: LazySettings, lead: float
) -> None:
    import_files([write_focus(tmp_path / "old.csv", *of_many("1"))], source_name="aws")
    new = {cost: write_focus(tmp_path / f"{cost}.csv", *of_many(cost)) for cost in ("2", "3")}

    first = start_import(new["2"], settings)
    time.sleep(lead)
    second = start_import(new["3"], settings)
    ended = {"2": ends(first), "3": ends(second)}

    losers = [answer for answer in ended.values() if answer != (0, "")]
    assert losers in ([], [(1, OVERTAKEN)])
    assert in_effect()["aws"] in [(ROWS, int(cost) * ROWS) for cost, answer in ended.items() if answer == (0, "")]
    assert not FocusImport.objects.filter(state="staged").exists()
    assert Charge.objects.count() == ROWS * (3 if not losers else 2)


def test_two_sources_at_once_are_both_loaded_and_make_each_payer_once(tmp_path: Path, settings: LazySettings) -> None:
    paths = {name: write_focus(tmp_path / f"{name}.csv", *of_many(cost)) for name, cost in (("aws", "2"), ("gcp", "3"))}

    processes = [start_import(path, settings, source=name) for name, path in paths.items()]

    assert [ends(process) for process in processes] == [(0, ""), (0, "")]
    assert in_effect() == {"aws": (ROWS, 2 * ROWS), "gcp": (ROWS, 3 * ROWS)}
    payers = (PrincipalInvestigator, Project, FundingAccount)
    assert [model.objects.count() for model in payers] == [ROWS // 10] * 3
    assert not Charge.objects.held().exists()


def test_two_accounts_of_a_source_at_once_are_never_half(tmp_path: Path, settings: LazySettings) -> None:
    """One is told where their months are the same, and goes in when it is run again."""
    paths = [write_focus(tmp_path / f"{n}.csv", *of_many(n, BillingAccountId=n)) for n in ("1", "2")]

    processes = [start_import(path, settings) for path in paths]
    ended = [ends(process) for process in processes]
    for path, answer in zip(paths, ended, strict=True):
        if answer != (0, ""):
            assert answer == (1, OVERTAKEN)
            assert ends(start_import(path, settings)) == (0, "")

    assert in_effect() == {"aws": (2 * ROWS, 3 * ROWS)}


def test_a_decision_made_while_a_file_is_read_survives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two chunks, by somebody else: nothing is locked, and what they decide holds for the new rows."""
    decided = {
        name: focus_row(ResourceId=name, BillingPeriodStart="2025-02-01") for name in ("approved", "excluded", "left")
    }
    monkeypatch.setattr(text, "BLOCK", 100_000)
    crowd = [focus_row(ResourceId="i" * 400, SkuId=str(n), EffectiveCost="0") for n in range(text.BLOCK // 400)]
    import_files([write_focus(tmp_path / "old.csv", *decided.values())], source_name="aws", period="2025-01")
    Source.objects.update(approval_threshold=1)
    restated = [row | {"EffectiveCost": "80.50"} for row in decided.values()]
    told: list[int] = []

    def click() -> None:
        review.approve(Charge.objects.current().filter(resource_id="approved"))
        review.exclude(Charge.objects.current().filter(resource_id="excluded"), reason="A test machine of ours")
        connection.close()

    def while_read(rows: int, share: float) -> None:
        told.append(rows)
        if len(told) == 1:
            with ThreadPoolExecutor(1) as somebody_else:
                somebody_else.submit(click).result(timeout=20)

    new = write_focus(tmp_path / "new.csv", *crowd, *restated)
    import_files([new], source_name="aws", period="2025-01", progress=while_read)

    assert (len(told), told[-1]) == (2, len(crowd) + 3)
    charges = Charge.objects.current().filter(resource_id__in=decided).order_by("resource_id")
    assert list(charges.values_list("resource_id", "review_status", "due_amount")) == [
        ("approved", "approved", Decimal("80.5")),
        ("excluded", "excluded", Decimal("80.5")),
        ("left", "held", Decimal("80.5")),
    ]
