"""The collector of garbage is left aside while an import runs, and comes back whatever happens."""

import gc

import pytest

from charges.importing.garbage import uncollected


def test_it_rests_within_and_comes_back() -> None:
    with uncollected():
        inside = gc.isenabled()

    assert (inside, gc.isenabled()) == (False, True)


def test_it_comes_back_after_a_failure() -> None:
    with pytest.raises(ValueError, match=r"^broken$"), uncollected():
        raise ValueError("broken")

    assert gc.isenabled()


def test_it_stays_away_where_somebody_else_sent_it() -> None:
    with uncollected():
        with uncollected():
            pass
        inside = gc.isenabled()

    assert not inside
