"""Every address of the portal and of its sign-in, and what each kind of reader gets there."""

from typing import Any

import pytest

from tests.roles.matrix import rows, wrong
from tests.roles.tables import PORTAL
from tests.roles.world import TEXT, World

READERS = rows(PORTAL)[0]


def lines(method: str) -> list[tuple[str, dict[str, str]]]:
    return [
        (address, dict(zip(READERS, cells, strict=True))) for by, address, *cells in rows(PORTAL)[1:] if by == method
    ]


def codes(cells: dict[str, str]) -> dict[str, int | str]:
    return {who: "sign in" if cell == "in" else int(cell.rstrip("*")) for who, cell in cells.items()}


@pytest.mark.parametrize("method", ["get", "head"])
def test_reading(world: World, method: str) -> None:
    found: list[str] = []
    for address, cells in lines("GET"):
        if (method, address) != ("head", "/admin/login/"):  # from which Django leads staff on by GET only
            found += wrong(world, address, codes(cells), method=method)

    assert found == []


def test_writing(world: World) -> None:
    answers: dict[str, Any] = {"text": TEXT, "reason": TEXT, "account": world.keys["account"]}
    found: list[str] = []
    for address, cells in lines("POST"):
        writers = [who for who, cell in cells.items() if cell.endswith("*")]
        found += wrong(world, address, codes(cells), answers, writers=writers)

    assert found == []


@pytest.mark.parametrize("key", ["999999", "9" * 30])
def test_what_is_not_there_is_not_found(world: World, key: str) -> None:
    unknown = dict.fromkeys(world.keys, key)
    asked = [
        (address, answers)
        for method, answers in (("GET", None), ("POST", {"text": TEXT}))
        for address, cells in lines(method)
        if "{" in address and cells["ada"] != "405"
    ]
    found = [world.ask("ada", address.format(**unknown), answers).status_code for address, answers in asked]

    assert found == [404] * len(asked)


def test_other_methods_are_not_taken(world: World) -> None:
    addresses = [
        address for address, _ in lines("GET") if address.startswith(("/statements/", "/disputes/", "/projects/"))
    ]
    found = {
        (address, method): got.status_code
        for address in ["/", *addresses]
        for method in ("options", "put", "patch", "delete")
        if (got := world.ask("ada", address.format(**world.keys), method=method)).status_code != 405 or got.wrote
    }

    assert found == {}
