"""Templates of an institution's own: tried before they are used, documented by their types, asked for by a prompt."""

import re
import shutil
from io import BytesIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.urls import reverse
from pypdf import PdfReader

from periods.errors import NotPermitted, Refused
from statements import journaling
from statements.customizing import KINDS, customization_prompt, preview_template
from statements.customizing.kinds import table
from statements.issuing import issue_statements
from statements.models import Statement
from statements.rendering import preview, render_statements
from tests.make import make_charge, make_closed, make_fund, make_period, make_pi, make_project

pytestmark = pytest.mark.django_db
REMAKE = "write statements.customizing.kinds.table() of each kind into docs/templates.md"
NAMES = {
    "pi": "Ada Lovelace", "email": "ada@example.edu", "project": "Analytical Engine", "code": "engine-7",
    "fund": "NSF-4711", "department": "Mathematics", "resource": "difference-node", "grant": "AGS-1843",
}  # fmt: skip


def text_of(pdf):
    return " ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)


def named_month():
    """A closed and issued month whose names all tell whose it is."""
    pi = make_pi(NAMES["email"], name=NAMES["pi"], department=NAMES["department"])
    project = make_project(NAMES["code"], name=NAMES["project"])
    make_charge(
        pi=pi,
        project=project,
        due_amount="5",
        funding_account=make_fund(NAMES["fund"]),
        resource_name=NAMES["resource"],
        resource_id=NAMES["resource"],
        reference_1=NAMES["grant"],
    )
    period = make_closed(make_period())
    issue_statements(period)
    return period


def test_the_documentation_is_what_the_types_say():
    page = (Path(settings.BASE_DIR) / "docs" / "templates.md").read_text()

    assert [kind.name for kind in KINDS.values() if page.count(table(kind)) != 1] == [], REMAKE


def test_following_the_prompt_changes_a_statement_and_no_code(tmp_path):
    period = named_month()
    prompt = customization_prompt("statement")
    source, draft = re.search(r"- Copy (\S+statement\.html)\n  to (\S+) and change", prompt).groups()
    (own,) = re.findall(r"^  (\S+/statement\.html)$", prompt, re.MULTILINE)

    Path(draft).parent.mkdir(parents=True)
    shutil.copy(source, draft)
    Path(draft).write_text(Path(draft).read_text().replace("Nothing to pay.", "Your department pays nothing."))
    call_command("preview_template", "statement", output=tmp_path / "preview.pdf")
    tried = text_of((tmp_path / "preview.pdf").read_bytes())
    in_use = text_of(preview(Statement.objects.select_related("period", "project").get()))
    Path(own).parent.mkdir(parents=True)
    shutil.move(draft, own)
    render_statements(period)

    assert "Your department pays nothing." in tried
    assert "Your department pays nothing." not in in_use
    assert "Your department pays nothing." in text_of(Statement.objects.get().document.read())


def test_what_settings_say_is_no_reason_to_change_a_template():
    prompt = customization_prompt("statement")

    named = re.findall(r"\b(INSTITUTION_\w+|LOGO|PAGE_SIZE|LOCALE)\b", prompt)
    assert named == ["INSTITUTION_NAME", "INSTITUTION_ADDRESS", "INSTITUTION_CONTACT", "LOGO", "PAGE_SIZE", "LOCALE"]
    assert [name for name in named if not hasattr(settings, name)] == []


def test_every_file_that_a_mail_is_made_of_is_named():
    folder = Path(settings.BASE_DIR) / "templates" / "emails"
    names = {f"emails/{file.name}" for file in folder.iterdir()} - {"emails/test-body.txt"}

    prompt = customization_prompt("email")

    assert [name for name in sorted(names) if name not in prompt] == []


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_example_has_the_figures_and_none_of_the_names(kind):
    period = named_month()
    render_statements(period)
    journaling.export_journal(period)

    prompt = customization_prompt(kind)

    assert [name for name in NAMES.values() if name in prompt] == []
    assert prompt.count("# An example") == 1
    assert table(KINDS[kind]) in prompt


@pytest.mark.parametrize("kind", list(KINDS))
def test_without_a_month_there_is_a_prompt_and_no_preview(kind):
    assert "There is no month yet that could serve as an example." in customization_prompt(kind)
    with pytest.raises(Refused):
        preview_template(kind)


def test_a_draft_that_breaks_is_told_with_file_and_line(home, tmp_path):
    named_month()
    draft = home / "templates" / "drafts" / "statements" / "statement.html"
    draft.parent.mkdir(parents=True)
    draft.write_text("<p>\n{{ due_amont }}")

    with pytest.raises(CommandError) as refusal:
        call_command("preview_template", "statement", output=tmp_path / "x.pdf")

    assert str(refusal.value) == f"The template {draft}, line 2, cannot be used: 'due_amont' is undefined."


@pytest.mark.parametrize("name", KINDS["email"].files)
def test_a_preview_of_a_mail_tries_all_of_its_parts(home, name):
    render_statements(named_month())
    draft = home / "templates" / "drafts" / name
    draft.parent.mkdir(parents=True)
    draft.write_text("\n{{ pi_nam }}")

    with pytest.raises(Refused) as refusal:
        preview_template("email")

    assert str(refusal.value) == f"The template {draft}, line 2, cannot be used: 'pi_nam' is undefined."


def test_a_preview_of_a_mail_shows_its_subject_and_its_text(home):
    render_statements(named_month())
    for part in KINDS["email"].files:
        draft = home / "templates" / "drafts" / part
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(f"<p>{part} of {{{{ pi_name }}}}</p>")

    made = preview_template("email").content.decode()

    assert made.count("<p>emails/statement-body.html of Ada Lovelace</p>") == 1
    assert made.count("&lt;p&gt;emails/statement-body.txt of Ada Lovelace&lt;/p&gt;") == 1
    assert made.count("&lt;p&gt;emails/statement-subject.txt of Ada Lovelace&lt;/p&gt;") == 1


def test_a_preview_of_a_journal_is_the_file(home):
    period = named_month()
    exported = journaling.export_journal(period)

    made = preview_template("journal")

    assert (made.content, made.of, made.drafts) == (exported.content, str(exported.journal), [])


def test_the_example_needs_the_permission_to_see_the_document(django_user_model):
    stranger = django_user_model.objects.create_user("stranger", is_staff=True)

    with pytest.raises(NotPermitted):
        customization_prompt("statement", by=stranger)


def test_the_page_offers_prompts_and_previews_to_who_may_see(client, auditor, django_user_model):
    named_month()
    client.force_login(auditor)

    page = client.get(reverse("templates")).content.decode()
    assert [page.count(f'id="prompt-{kind}"') for kind in KINDS] == [1] * len(KINDS)
    made = client.get(reverse("template_preview", args=["statement"]))
    assert (made.status_code, made["Content-Type"]) == (200, "application/pdf")
    assert client.get(reverse("template_preview", args=["journal"])).status_code == 409
    assert client.get(reverse("template_preview", args=["nothing"])).status_code == 404

    client.force_login(django_user_model.objects.create_user("stranger", is_staff=True))
    assert client.get(reverse("templates")).status_code == 403
    assert client.get(reverse("template_preview", args=["statement"])).status_code == 403
