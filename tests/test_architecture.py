"""The shape of the code, where a reader's eye is not enough to keep it."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models
from django.test.utils import isolate_apps
from django.utils.text import capfirst
from simple_history.models import HistoricalChanges

from periods.states import Document

ROOT = Path(__file__).resolve().parent.parent
RANK = {"periods": 0, "charges": 1, "statements": 2}  # a relation points at its own rank or below
LONGEST_FUNCTION = 60
LONGEST_FILE, LONGEST_TEST = 400, 600

Model = type[models.Model]


def relations(candidates: Iterable[Model]) -> Iterator[tuple[Model, models.Field]]:
    """The relations between our own models; history tables copy rows and hold no relation."""
    for model in candidates:
        if model._meta.app_label not in RANK or issubclass(model, HistoricalChanges):
            continue
        for field in (*model._meta.local_fields, *model._meta.local_many_to_many):
            if field.related_model and field.related_model._meta.app_label in RANK:
                yield model, field


def upward(candidates: Iterable[Model]) -> list[str]:
    return [
        f"{field} points up at {field.related_model._meta.label}"
        for model, field in relations(candidates)
        if RANK[field.related_model._meta.app_label] > RANK[model._meta.app_label]
    ]


def unprotected(candidates: Iterable[Model]) -> list[str]:
    return [
        str(field)
        for _, field in relations(candidates)
        if isinstance(field, models.ForeignKey) and field.remote_field.on_delete is not models.PROTECT
    ]


def python_files() -> list[Path]:
    folders = ("ocb_project", "periods", "charges", "statements", "tests")
    return [file for folder in folders for file in (ROOT / folder).rglob("*.py") if "migrations" not in file.parts]


def long_functions(source: str, name: str) -> list[str]:
    return [
        f"{name}:{node.lineno} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]


def test_imports_keep_their_direction():
    """In a process of its own: the linter sets up logging for itself, and silences every logger that is there."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_relations_never_point_upward():
    assert upward(apps.get_models()) == []


def test_relations_between_our_models_protect_what_they_point_at():
    assert unprotected(apps.get_models()) == []


def test_relations_to_a_period_are_not_reached_from_the_period():
    reachable = [
        str(field)
        for _, field in relations(apps.get_models())
        if field.related_model._meta.label == "periods.BillingPeriod" and not field.remote_field.hidden
    ]
    assert reachable == []


@isolate_apps("periods")
def test_an_upward_and_an_unprotected_relation_are_named():
    class Peek(models.Model):
        charge = models.ForeignKey("charges.Charge", models.CASCADE)

        class Meta:
            app_label = "periods"

    Peek._meta.get_field("charge").remote_field.model = apps.get_model("charges.Charge")
    assert upward([Peek]) == ["periods.Peek.charge points up at charges.Charge"]
    assert unprotected([Peek]) == ["periods.Peek.charge"]


def test_functions_fit_on_a_page():
    assert [found for file in python_files() for found in long_functions(file.read_text(), str(file))] == []


def test_a_long_function_is_named():
    source = "def long():\n" + "    pass\n" * LONGEST_FUNCTION
    assert long_functions(source, "file.py") == ["file.py:1 long has 61 lines"]


def test_files_stay_short():
    limits = {file: LONGEST_TEST if "tests" in file.parts else LONGEST_FILE for file in python_files()}
    assert [str(file) for file, limit in limits.items() if len(file.read_text().splitlines()) > limit] == []


def diagram(model: Model) -> str:
    """The life of a document as Mermaid draws it."""
    state = model._meta.get_field("state")
    steps = {(step.source, step.target, step.name) for step in state.get_all_transitions(model)}
    order = [value for value, _ in state.choices]
    lines = [
        f"    {source} --> {target}: {name}"
        for source, target, name in sorted(steps, key=lambda step: (order.index(step[0]), order.index(step[1])))
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {state.default}", *lines, "```"])


@pytest.mark.parametrize(
    "model", [model for model in apps.get_models() if issubclass(model, Document)], ids=lambda model: model.__name__
)
def test_architecture_page_draws_the_life_of_each_document(model):
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert f"### {capfirst(model._meta.verbose_name)}\n\n{diagram(model)}\n" in page
