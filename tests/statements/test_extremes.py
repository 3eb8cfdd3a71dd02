"""Statements that are harder to set than most: nothing leaves the page or its cell, and every sign has a glyph."""

import logging

import pytest
from weasyprint import CSS, HTML
from weasyprint.formatting_structure.boxes import TableCellBox, TextBox
from weasyprint.text.fonts import FontConfiguration

from statements import pdf
from statements.issuing import compute
from statements.lines import Books
from statements.rendering import detail, documents
from tests.make import make_charge, make_fund, make_period, make_pi, make_project

pytestmark = pytest.mark.django_db

MARGIN = 17 / 25.4 * 96  # pixels, as WeasyPrint counts
LONG = "Pneumonoultramicroscopicsilicovolcanoconiosis" * 3


def pages():
    """The one statement of the month as it is laid out: a box for each page."""
    (found,) = compute(make_period())
    html, css, folders, _ = documents.as_page(found.statement, found.lines, Books(make_period()), is_draft=True).args
    fonts, fetcher = FontConfiguration(), pdf.TemplateFetcher(folders)
    style = CSS(string=css, base_url=pdf.BASE, url_fetcher=fetcher, font_config=fonts)
    page = HTML(string=html, base_url=pdf.BASE, url_fetcher=fetcher)
    document = page.render(stylesheets=[style], font_config=fonts)
    document.write_pdf()  # says which signs no font has
    return [made._page_box for made in document.pages]


def overflowing(laid_out):
    """Texts that reach out of the page's margins, or out of their cell of a table."""
    for page in laid_out:
        boxes = list(page.descendants())
        yield from _outside(boxes, MARGIN, page.margin_width() - MARGIN)
        for cell in (box for box in boxes if isinstance(box, TableCellBox)):
            yield from _outside(cell.descendants(), cell.position_x, cell.position_x + cell.border_width())


def _outside(boxes, left, right):
    for box in boxes:
        if isinstance(box, TextBox) and not left - 1 <= box.position_x <= box.position_x + box.width <= right + 1:
            yield box.text


NAMES = {
    "without a space": LONG,
    "in Hebrew": "ד״ר שרה כהן",
    "in Arabic": "مختبر الحوسبة العلمية",
    "in Chinese and Japanese": "深度学习平台 クラウド計算",
    "with combining marks": "e\u0301t\u0302e\u0323 Nguyễn Ångström",
    "in Greek and Cyrillic": "Ωμέγα Кластер",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_names_of_all_kinds_stay_in_their_place(name, caplog):
    with caplog.at_level(logging.WARNING, "weasyprint"):
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

        assert list(overflowing(pages())) == []
    assert [record.getMessage() for record in caplog.records if "notdef" in record.getMessage()] == []


@pytest.mark.parametrize("page_size", ["Letter", "A4"])
@pytest.mark.parametrize("amount", ["-1234567890.12", "3074457345.61"])
def test_amounts_of_ten_digits_stay_in_their_columns(settings, page_size, amount):
    settings.PAGE_SIZE = page_size
    for service in ("A", "B"):
        make_charge(
            list_amount=amount, contracted_amount="0", due_amount=amount, service_name=service, pricing_unit="Hours"
        )

    assert list(overflowing(pages())) == []


def test_what_reaches_out_is_seen():
    """This file's own eyes: a cell that may not wrap."""
    make_charge(resource_name="node")
    (page, *_) = pages()
    text = next(box for box in page.descendants() if isinstance(box, TextBox))
    text.width = 2_000

    assert list(overflowing([page])) == [text.text]


def test_thousands_of_charges_make_a_statement_of_some_pages():
    for number in range(detail.MOST_ROWS + 50):
        make_charge(resource_name=f"node-{number}", resource_id=f"node-{number}", service_name=f"service {number % 7}")

    laid_out = pages()

    rest = "All other resources, not listed"
    assert [box.text for page in laid_out for box in page.descendants() if getattr(box, "text", "") == rest] == [rest]
    assert len(laid_out) < 12
    assert list(overflowing(laid_out)) == []
