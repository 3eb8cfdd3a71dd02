"""Statements that are harder to set than most: nothing leaves the page or its cell, and every sign has a glyph."""

from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO

import pikepdf
import pytest
from django.core.management import call_command
from pypdf import PdfReader
from weasyprint import CSS, HTML
from weasyprint.formatting_structure.boxes import TableCellBox, TextBox
from weasyprint.text.fonts import FontConfiguration

from charges.models import Charge
from periods.models import AuditEntry
from statements import pdf
from statements.issuing import compute, issue_statements
from statements.lines import Books
from statements.rendering import detail, documents, preview, render_statements
from tests.make import make_charge, make_closed, make_fund, make_period, make_pi, make_project

pytestmark = pytest.mark.django_db

MARGIN = 15 / 25.4 * 96  # pixels, as WeasyPrint counts
LONG = ("Pneumonoultramicroscopicsilicovolcanoconiosis" * 5)[:200]


def page():
    """What makes the PDF of the one statement that the month would have now."""
    (found,) = compute(make_period())
    return documents.as_page(found.statement, found.lines, Books(make_period()), is_draft=True)


def laid_out():
    """Its boxes, one for each page."""
    html, css, folders, _ = page().args
    fonts, fetcher = FontConfiguration(), pdf.TemplateFetcher(folders)
    style = CSS(string=css, base_url=pdf.BASE, url_fetcher=fetcher, font_config=fonts)
    document = HTML(string=html, base_url=pdf.BASE, url_fetcher=fetcher).render(stylesheets=[style], font_config=fonts)
    return [made._page_box for made in document.pages]


def words(content):
    """The lines of each page, in reading order."""
    return [
        [line.strip() for line in made.extract_text().splitlines() if line.strip()]
        for made in PdfReader(BytesIO(content)).pages
    ]


def overflowing(pages):
    """Texts that reach out of the page's margins, or out of their cell of a table."""
    for made in pages:
        boxes = list(made.descendants())
        yield from _outside(boxes, MARGIN, made.margin_width() - MARGIN)
        for cell in (box for box in boxes if isinstance(box, TableCellBox)):
            yield from _outside(cell.descendants(), cell.position_x, cell.position_x + cell.border_width())


def _outside(boxes, left, right):
    for box in boxes:
        if isinstance(box, TextBox) and not left - 1 <= box.position_x <= box.position_x + box.width <= right + 1:
            yield box.text


NAMES = {
    "without a space": (LONG, "Inter"),
    "of many words": ("Institute for Studies of Everything and the Rest " * 4, "Inter"),
    "in Hebrew": ("ד״ר שרה כהן (מעבדה 12)", "Hebrew"),
    "in Arabic": ("مختبر الحوسبة العلمية 2024", "Arabic"),
    "in Chinese and Japanese": ("深度学习平台 クラウド計算", "Han"),
    "in Hangul": ("김민준 연구실 · 퀀텀", "Hangul"),
    "in Devanagari": ("अनुष्का शर्मा", "Devanagari"),
    "in Thai": ("สมชาย ใจดี", "Thai"),
    "in other scripts of India": ("தமிழ் తెలుగు ಕನ್ನಡ മലയാളം සිංහල বাংলা ગુજરાતી ਪੰਜਾਬੀ", "Tamil"),
    "in more scripts": ("ខ្មែរ ລາວ မြန်မာ Հայկ თბილისი ዶክተር", "Khmer"),
    "with emoji": ("Genome 🧬 🚀 ✅ 👩‍🔬", "Emoji"),
    "with combining marks": ("e\u0301t\u0302e\u0323 Nguyễn Ångström", "Inter"),
    "in Greek and Cyrillic": ("Ωμέγα Кластер", "Inter"),
}


@pytest.mark.parametrize(("name", "font"), NAMES.values(), ids=NAMES)
def test_names_of_all_kinds_stay_in_their_place_and_have_glyphs_of_ours(name, font):
    for number in range(3):
        make_charge(
            pi=make_pi(name=name),
            project=make_project(name=name),
            funding_account=make_fund(name[:60]),
            resource_name=name,
            charge_description=name,
            service_name=f"{name[:80]} {number}",
            funder=name,
            pricing_quantity="123456789.123456",
            pricing_unit="Gigabyte-Months-Replicated",
        )

    made = page()()

    assert list(overflowing(laid_out())) == []
    assert made.missing == ""
    assert any(font in family for family in fonts(made.content))
    assert all(family.startswith(("Inter", "Statement")) for family in fonts(made.content))


def fonts(content):
    """The families that are embedded in the PDF; all that it uses are."""
    with pikepdf.open(BytesIO(content)) as document:
        used = [item for item in document.objects if isinstance(item, pikepdf.Dictionary) and "/FontFile2" in item]
        named = [item for item in document.objects if isinstance(item, pikepdf.Dictionary) and "/FontName" in item]
        assert len(used) == len(named)
        return {str(item.FontName).partition("+")[2] for item in used}


@pytest.mark.parametrize("page_size", ["Letter", "A4"])
@pytest.mark.parametrize("amount", ["-1234567890.12", "3074457345.61", "216209.5"])
def test_large_amounts_stay_in_their_columns(settings, page_size, amount):
    settings.PAGE_SIZE = page_size
    for service in ("A", "B"):
        make_charge(
            list_amount=amount, contracted_amount="0", due_amount=amount, service_name=service, pricing_unit="Hours"
        )

    assert list(overflowing(laid_out())) == []


def test_what_reaches_out_is_seen():
    """This file's own eyes: a cell that may not wrap."""
    make_charge(resource_name="node")
    (made, *_) = laid_out()
    text = next(box for box in made.descendants() if isinstance(box, TextBox))
    text.width = 2_000

    assert list(overflowing([made])) == [text.text]


def test_a_sign_without_a_glyph_is_told_of_by_statement(capsys):
    make_charge(project=make_project(name="ᚠᚢ ᚠ"))
    make_charge(project=make_project("other"))
    issue_statements(make_closed(make_period()))

    call_command("render_statements", "2025-01", "--workers", "1")

    assert capsys.readouterr().out.splitlines()[-2:] == [
        "2 rendered, 0 were there already.",
        "S-000001 shows boxes: no font has a glyph for ᚠ (U+16A0), ᚢ (U+16A2).",
    ]
    told = AuditEntry.objects.filter(action="render").order_by("pk").values_list("after", flat=True)
    assert [after.get("no glyph for") for after in told] == ["ᚠ (U+16A0), ᚢ (U+16A2)", None]
    assert render_statements(make_period()).remarks() == []


# Few and many


def test_a_statement_without_a_line_says_that_nothing_is_due():
    make_charge()
    (found,) = compute(make_period())
    Charge.objects.update(review_status="excluded")
    found.statement.list_amount = found.statement.due_amount = Decimal(0)

    (only,) = words(preview(found.statement, []))

    assert only[only.index("Nothing is due.") : -2] == [
        "Nothing is due.",
        "List price",
        "$0.00 −",
        "Discounts",
        "$0.00 =",
        "Amount due",
        "$0.00",
        "Nothing to pay. This is not an invoice.",
        "Something wrong? Object at http://127.0.0.1:8000/, or write to research-billing@example.edu and name this draft.",
    ]


@pytest.mark.parametrize(
    ("given", "service", "resource"),
    [
        ({}, "Service List price Discount Amount due", "Resource List price Discount Amount due"),
        (
            {
                "pricing_quantity": "24",
                "pricing_unit": "Hours",
                "charge_period_start": datetime(2025, 1, 7, tzinfo=UTC),
            },
            "Service Quantity and list rate List price Discount Amount due",
            "Days Resource Quantity and list rate List price Discount Amount due",
        ),
    ],
)
def test_columns_without_a_word_are_left_out(given, service, resource):
    make_charge(**given)

    (only,) = words(page()().content)

    assert [line for line in only if line.endswith("List price Discount Amount due")] == [service, resource]


def test_a_line_of_less_than_a_coin_says_so():
    make_charge(list_amount="0.003", due_amount="0.001", service_name="Keys")
    make_charge(list_amount="0.001", due_amount="0.001", service_name="Keys")
    make_charge(list_amount="5", due_amount="0", service_name="Zones")

    only = [line for lines in words(page()().content) for line in lines]

    start = only.index("Fund NSF-1")
    assert only[start : start + 5] == [
        "Fund NSF-1",
        "Keys cluster",
        "< $0.01, rounded to nothing",
        "$0.00 $0.00 $0.00",
        "Zones cluster $5.00 −$5.00 $0.00",
    ]


def test_five_thousand_charges_make_a_statement_of_some_pages():
    first = make_charge(list_amount="2")
    Charge.objects.bulk_create(
        Charge(
            **{
                field.attname: getattr(first, field.attname)
                for field in Charge._meta.concrete_fields
                if field.name != "id"
            }
            | {
                "line_number": 10_000 + number,
                "resource_name": f"node-{number % 640}",
                "resource_id": f"node-{number % 640}",
                "service_name": f"service {number % 7}",
            }
        )
        for number in range(4_999)
    )

    made = words(page()().content)

    said = [line for lines in made for line in lines]
    assert len(made) == 6
    assert said.count("You received $10,000.00 of research computing.") == 1
    assert (
        "The 5,000 charges of this month, added up by resource, largest list price first. Each stands with its"
        in " ".join(said)
    )
    (rest,) = [line for line in said if line.startswith("All other resources, not listed")]
    listed = [line for line in said if line.startswith("node-")]
    assert len(listed) == detail.MOST_ROWS
    charges = sum(int(line.split()[-4]) for line in listed)
    assert rest.split()[-4] == f"{5_000 - charges:,}"
    assert list(overflowing(laid_out())) == []
