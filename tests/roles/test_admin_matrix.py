"""Every address, button, action and transition of the admin, and what each kind of person gets there."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import get_resolver, resolve
from django_fsm import has_transition_perm

from periods.states import Document, StateField
from tests.roles.matrix import answered, filled, routes, rows, staff, wrong
from tests.roles.tables import ACTIONS, OTHERS, PORTAL, RECORDS, STAFF, STEPS, TRANSITIONS
from tests.roles.world import TEXT, World

NOBODY = ""
COLUMN = {  # of the table, for each page of a record
    "": "look", "{key}/change/": "look", "{key}/history/": "look", "{key}/history/{version}/": "look",
    "add/": "add", "import/": "import", "export/": "export",
}  # fmt: skip
SETTINGS = "/admin/charges/reviewsettings/"  # of one row: what would be its list leads to it
ANSWERS = {
    "reason": TEXT, "text": TEXT, "override": TEXT, "reference": "GL-1", "template": "generic", "ground": "usage",
    "to": "dean@example.edu",
}  # fmt: skip


def records() -> dict[str, dict[str, str]]:
    heading, *others = rows(RECORDS)
    return {record: dict(zip(heading, cells, strict=True)) for record, *cells in others}


def addresses(record: str) -> tuple[str, str]:
    """Of the list, and of one."""
    base = f"/admin/{record}/"
    return base, f"{base}{{a_{record.partition('/')[2]}}}/"


def pages(world: World, record: str) -> dict[str, str]:
    """Those of one kind of record, with who may open them."""
    columns, key = records()[record], f"a_{record.partition('/')[2]}"
    known = {page: columns[column] for page, column in COLUMN.items() if columns[column] != "none"}
    if f"{key}_version" not in world.keys:
        del known["{key}/history/{version}/"]
    names = {"key": f"{{{key}}}", "version": f"{{{key}_version}}"}
    return {f"/admin/{record}/{page.format(**names)}": who for page, who in known.items()}


# Nothing is without a row


def test_every_record_has_a_row() -> None:
    assert sorted(records()) == sorted(model._meta.label_lower.replace(".", "/") for model in admin.site._registry)


def test_every_address_has_a_row(world: World) -> None:
    known = [address.partition("?")[0] for table in (STEPS, OTHERS) for address, *_ in rows(table)]
    known += [address for _, address, *_ in rows(PORTAL)[1:]]
    for record, columns in records().items():
        base, one = addresses(record)
        known += [*pages(world, record), one, f"{one}delete/"]
        known += [f"{base}process_import/"] if columns["import"] != "none" else []
    found = {resolve(address.format(**world.keys)).route for address in known if address != "/nothing/of/the/kind/"}

    assert sorted(set(routes(get_resolver().url_patterns)) - found) == []


def test_every_step_has_a_row(world: World) -> None:
    found = [resolve(address.format(**world.keys)) for address, _ in rows(STEPS)]
    steps = [
        (f"{model._meta.app_label}_{model._meta.model_name}_step", name)
        for model, page in admin.site._registry.items()
        for name in getattr(page, "steps", {})
    ]

    assert sorted((match.url_name, match.kwargs["name"]) for match in found) == sorted(steps)


def test_every_action_has_a_row() -> None:
    """All but Django's own, which deletes and is offered to nobody."""
    actions = [
        (f"/admin/{model._meta.label_lower.replace('.', '/')}/", name)
        for model, page in admin.site._registry.items()
        for _, name, _ in page._get_base_actions()
        if name != "delete_selected"
    ]

    assert sorted((base.partition("?")[0], name) for base, name, *_ in rows(ACTIONS)) == sorted(actions)


# Who may look


def test_pages_of_records(world: World) -> None:
    found: list[str] = []
    for record in records():
        _, one = addresses(record)
        for page, who in pages(world, record).items():
            found += wrong(world, page, staff(STAFF, 302) if page == SETTINGS else staff(who))
        found += wrong(world, one, staff(STAFF, 302))  # an old address, which leads to the page
        found += wrong(world, f"{one}delete/", staff(NOBODY))

    assert found == []


def test_other_pages(world: World) -> None:
    found: list[str] = []
    for address, yes, no, who in rows(OTHERS):
        found += wrong(world, address, staff(who, int(yes), int(no)))

    assert found == []


@pytest.mark.parametrize("method", ["head", "options"])
def test_other_pages_by_other_methods(world: World, method: str) -> None:
    found: list[str] = []
    for address, yes, no, who in rows(OTHERS):
        says_what_it_takes = method == "options" and address.startswith("/admin/autocomplete/")
        wanted = staff(STAFF) if says_what_it_takes else staff(who, int(yes), int(no))
        found += wrong(world, address, {each: wanted[each] for each in ("S", "N", "anonymous")}, method=method)

    assert found == []


@pytest.mark.parametrize("key", ["999999", "9" * 30])
def test_what_is_not_there_is_not_found(world: World, key: str) -> None:
    unknown = dict.fromkeys(world.keys, key)
    found = {
        address: world.ask("S", address.format(**unknown)).status_code
        for table in (OTHERS, STEPS)
        for address, *_ in rows(table)
        if "{" in address and "?" not in address
    }

    assert {address: status for address, status in found.items() if status != 404} == {}


def test_a_mailed_code_opens_nothing_whoever_it_is(world: World) -> None:
    assert {answered(world.ask(f"{who}-by-code", "/admin/")) for who in STAFF} == {"sign in"}


def test_staff_of_no_group_read_nothing(world: World) -> None:
    texts = [world.ask("N", address).content.decode() for address in ("/admin/", "/admin/search/?s=ada")]

    assert [word for word in ("ada", "engine", "2025", "$") if any(word in text for text in texts)] == []


@pytest.mark.parametrize("who", ["S", "A"])
def test_nobody_reads_how_a_password_is_kept(world: World, who: str) -> None:
    user = world.staff["B"]

    assert user.password not in world.ask(who, f"/admin/auth/user/{user.pk}/change/").content.decode()


# Who may do what


def test_changes_of_records(world: World) -> None:
    found: list[str] = []
    for record, columns in records().items():
        base, one = addresses(record)
        page = world.ask("S", f"{one}change/".format(**world.keys)).context
        inlines = [inline.formset for inline in page["inline_admin_formsets"]]
        forms = [page["adminform"].form, *(form for each in inlines for form in [each.management_form, *each.forms])]
        found += wrong(world, f"{one}change/", staff(columns["change"], 302), filled(forms), writers=columns["change"])
        found += wrong(world, f"{base}add/", staff(columns["add"]), {})
        found += wrong(world, f"{one}delete/", staff(NOBODY), {"post": "yes"})

    assert found == []


def test_old_versions(world: World) -> None:
    """Who may not change a record takes it back to no earlier version."""
    found: list[str] = []
    for record, columns in records().items():
        for page in pages(world, record):
            if "_version" in page:
                form = world.ask("S", page.format(**world.keys)).context["adminform"].form
                found += wrong(world, page, staff(columns["change"], 302), filled([form]), writers=columns["change"])

    assert found == []


def test_spreadsheets(world: World) -> None:
    found: list[str] = []
    for record, columns in records().items():
        if (who := columns["import"]) != "none":
            found += wrong(world, f"/admin/{record}/import/", staff(who), {})
            found += wrong(world, f"/admin/{record}/process_import/", staff(who), {})
        if (who := columns["export"]) != "none":
            found += wrong(world, f"/admin/{record}/export/", staff(who), {"format": "0"})

    assert found == []


def test_other_pages_that_are_sent(world: World) -> None:
    file = SimpleUploadedFile("aws.csv", b"BilledCost\n1\n")
    found = [
        *wrong(world, "/admin/charges/focusimport/files/", staff("SB", 302), {"files": file}, writers="SB"),
        *wrong(world, "/admin/charges/reviewrule/test/", staff("SB"), {"kind": "pattern", "pattern": "gpu"}),
        *wrong(world, "/admin/statements/emaildelivery/test/", staff("SB", 302), {}, writers="SB"),
    ]

    assert found == []


def test_steps(world: World) -> None:
    found: list[str] = []
    for address, who in rows(STEPS):
        form = world.ask("S", address.format(**world.keys)).context["form"]
        found += wrong(world, address, staff(who))
        found += wrong(world, address, staff(who, 302), answers(form), writers=who)

    assert found == []


def answers(form: Any) -> dict[str, Any]:
    """What the page asks, filled in so that it is done."""
    choices = {name: field.queryset.first().pk for name, field in form.fields.items() if hasattr(field, "queryset")}
    known = {name: "80.00" if text == "x" else text for name, text in filled([form]).items()}
    return {**known, **choices, **ANSWERS, "file": SimpleUploadedFile("letter.txt", b"Agreed.")}


AT_ONCE = {"correct_selected": 302, "download": 200}  # the first leads to a page that asks


def test_actions(world: World) -> None:
    """Those who may are asked first, and what they confirm is done; others get their list back, or none."""
    found: list[str] = []
    for base, action, key, who in rows(ACTIONS):
        is_asking = action not in AT_ONCE
        asked = {"action": action, ACTION_CHECKBOX_NAME: world.keys[key]}
        others = staff("SBRFA") | dict.fromkeys(offered(base), 302)
        found += wrong(world, base, others | dict.fromkeys(who.replace("-", ""), AT_ONCE.get(action, 200)), asked)
        if is_asking:
            page = world.ask("S", base.format(**world.keys), asked).context
            confirmed = answers(page["form"]) | dict(page["hidden"])
            found += wrong(world, base, others | dict.fromkeys(who.replace("-", ""), 302), confirmed, writers=who)

    assert found == []


def offered(base: str) -> str:
    """Whom a list offers any action: they are told that none was chosen."""
    same = (who for other, _, _, who in rows(ACTIONS) if other.partition("?")[0] == base.partition("?")[0])
    return "".join(same).replace("-", "")


def test_transitions(world: World) -> None:
    assert {(name, action): who for name, action, who in rows(TRANSITIONS)} == dict(transitions(world))


def transitions(world: World) -> Iterator[tuple[tuple[str, str], str]]:
    documents = [model for model in apps.get_models() if issubclass(model, Document)]
    fields = [(model, field) for model in documents for field in model._meta.fields if isinstance(field, StateField)]
    for model, field in fields:
        for each in field.get_all_transitions(model):
            act = getattr(model(**{field.name: each.source}), each.name)
            letters = (who if has_transition_perm(act, user) else "-" for who, user in world.staff.items())
            yield (model._meta.model_name, each.name), "".join(letters) if each.permission else "stage"
