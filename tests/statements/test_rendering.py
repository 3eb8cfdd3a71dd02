"""Statement PDFs: what a reader finds on them, and that nothing else gets in."""

from io import BytesIO

import pikepdf
import pytest
from pypdf import PdfReader

from charges.adjusting import adjust
from periods import storage
from statements import pdf, templating
from statements.issuing import compute
from statements.models import ArchivedDocument, Statement
from statements.rendering import detail, preview, render_statements
from tests.make import make_charge, make_fund, make_period, make_pi, make_project, make_rate, make_source
from tests.statements.rendered import issued

pytestmark = pytest.mark.django_db


def draft() -> bytes:
    """The one statement that the month would have now."""
    (found,) = compute(make_period())
    return preview(found.statement, found.lines)


def words(content: bytes) -> list[str]:
    """The lines of all pages, in reading order."""
    pages = PdfReader(BytesIO(content)).pages
    return [line.strip() for page in pages for line in page.extract_text().splitlines() if line.strip()]


def between(lines: list[str], first: str, last: str) -> list[str]:
    return lines[lines.index(first) : lines.index(last) + 1]


# What a reader finds


def test_nothing_due_is_headed_by_what_was_received():
    make_charge(list_amount="2400", due_amount="0", funder="Office of the Provost")

    assert between(words(draft()), "You received $2,400.00 of research computing.", "By fund and service") == [
        "You received $2,400.00 of research computing.",
        "Nothing is due.",
        "List price",
        "$2,400.00 −",
        "Discounts",
        "$2,400.00 =",
        "Amount due",
        "$0.00",
        "Subsidy, paid by Office of the Provost −$2,400.00",
        "Nothing to pay. This is not an invoice.",
        "By fund and service",
    ]


def test_each_part_of_the_discount_is_named_for_what_it_is():
    fund, source = make_fund("NSF-ATM-2024"), make_source("aws")
    make_charge(source=source, list_amount="100", contracted_amount="90", due_amount="60", funder="Provost")
    make_charge(source=source, list_amount="50", contracted_amount="50", due_amount="40.005", funding_account=fund)
    make_charge(source=source, list_amount="0", contracted_amount="-5", due_amount="-5", charge_category="Credit")
    adjust(
        period=make_period(),
        kind="credit",
        pi=make_pi(),
        project=make_project(),
        description="Outage",
        reason="Down for nine hours",
        due_amount=-7,
        funding_account=fund,
    )

    found = words(draft())

    assert between(found, "Discounts and adjustments", "Nothing to pay. This is not an invoice.") == [
        "Discounts and adjustments",
        "$61.99 =",
        "Amount due",
        "$88.01",
        "Negotiated with the provider (including −$5.00 of provider credits) −$15.00",
        "Subsidy, paid by Provost −$30.00",
        "Discount −$9.99",
        "Adjustments −$7.00",
        "$55.00 is charged to fund NSF-1 by journal.",
        "$33.01 is charged to fund NSF-ATM-2024 by journal.",
        "Nothing to pay. This is not an invoice.",
    ]
    assert found.count("Outage (Adjustment credit)") == 1
    assert found.count("Reason: Down for nine hours") == 1


def test_a_negative_amount_due_is_a_credit_to_the_fund():
    make_charge(list_amount="-125", contracted_amount="-100", due_amount="-100")

    found = words(draft())

    assert "Credit to your fund: $100.00." in found
    assert "$100.00 is credited to fund NSF-1 by journal." in found


def test_amounts_smaller_than_a_coin_say_so():
    make_charge(list_amount="0.004", due_amount="0.004", resource_name="key")

    found = words(draft())

    start = found.index("cluster · HPC Cluster")
    assert found[start : start + 2] == ["cluster · HPC Cluster", "key < $0.01 $0.00 < $0.01"]


def test_a_row_of_the_detail_adds_up_as_it_is_printed():
    make_charge(list_amount="24.194", due_amount="1.935", resource_name="node-7")

    assert "node-7 $24.19 −$22.25 $1.94" in words(draft())


def test_a_long_quantity_and_its_rate_stand_on_one_line():
    usage = {"pricing_quantity": "18250.75", "pricing_unit": "GB-Months", "list_unit_price": "0.023"}
    make_charge(service_name="Amazon Simple Storage Service", list_amount="419.76725", **usage)

    lines = words(draft())
    by_service = lines[: lines.index("Charges")]

    assert [line.count("18,250.75 GB-Months ×\N{NO-BREAK SPACE}$0.023") for line in by_service].count(1) == 1


def test_a_converted_charge_says_from_what_and_by_which_rate():
    rate = make_rate("1.1")
    make_charge(list_amount="20.13", due_amount="0", billing_currency="EUR", exchange_rate=rate)
    make_charge(list_amount="0", due_amount="-1.1", billing_currency="EUR", exchange_rate=rate)
    make_charge(list_amount="5")

    assert [line for line in words(draft()) if line.startswith("Converted")] == [
        "Converted: €18.30 × 1.1",
        "Converted: −€1.00 × 1.1",
    ]


def test_held_charges_are_told_of_and_not_billed():
    make_charge()
    make_charge(list_amount="45", due_amount="40", review_status="held")

    assert [line for line in words(draft()) if line.startswith("Not on this statement")] == [
        "Not on this statement: 1 charge of this project (list price $45.00, amount due $40.00) is still under review."
    ]


def test_held_charges_without_a_rate_are_not_told_of_as_nothing():
    make_charge()
    make_charge(list_amount="18.30", due_amount="18.30", billing_currency="EUR", review_status="held")
    told = "Not on this statement: 1 charge of this project (1 in another currency) is still under review."
    assert [line for line in words(draft()) if line.startswith("Not on this statement")] == [told]

    make_charge(list_amount="45", due_amount="40", review_status="held")

    told = (
        "Not on this statement: 2 charges of this project (list price $45.00, amount due $40.00, 1 in another currency) "
        "are still under review."
    )
    assert [line for line in words(draft()) if line.startswith("Not on this statement")] == [told]


def test_the_dispute_date_and_the_seal_are_printed(settings):
    settings.DISPUTE_DAYS, settings.INSTITUTION_CONTACT = 30, "billing@example.edu"
    make_charge()
    period = issued()
    Statement.objects.update(seal_head="0123456789abcdef0123456789abcdef")
    render_statements(period)
    statement = Statement.objects.get()

    found = words(storage.locate(statement.document.path).read_bytes())

    until = templating.day(statement.dispute_until)
    page = f"http://127.0.0.1:8000/statements/{statement.number}/"
    said = " ".join(found)
    assert said.count(f"Something wrong? Object by {until} at {page}: say there what is wrong with which line.") == 1
    assert f"Questions: billing@example.edu, naming {statement.printed_number}." in found
    assert "Ledger sealed up to 0123456789abcdef0123456789abcdef when this statement was issued." in found


def test_every_page_says_whose_it_is_and_of_how_many():
    for number in range(60):
        make_charge(resource_name=f"node-{number}")
    period = issued()
    render_statements(period)

    pages = PdfReader(storage.locate(ArchivedDocument.objects.get().path)).pages

    assert len(pages) > 1
    for number, page in enumerate(pages, start=1):
        lines = page.extract_text().splitlines()
        assert sum(line.startswith(f"Statement {Statement.objects.get().printed_number} · engine ·") for line in lines)
        assert sum(line.endswith(f"Page {number} of {len(pages)}") for line in lines) == 1


def test_many_charges_are_folded_by_resource_and_still_add_up(monkeypatch):
    monkeypatch.setattr(detail, "MOST_ROWS", 2)
    for name, amount in (("a", "3"), ("a", "4"), ("b", "5"), ("c", "1.5")):
        make_charge(resource_name=name, resource_id=name, list_amount=amount, due_amount=amount)

    found = words(draft())

    (caption,) = [line for line in found if line.startswith("The 4 charges")]
    assert caption.startswith("The 4 charges of this month, added up by resource, largest list price first. Each")
    assert "All other resources, not listed 1 $1.50 $0.00 $1.50" in found
    assert [line for line in found if " cluster · HPC Cluster " in line] == [
        "a cluster · HPC Cluster 2 $7.00 $0.00 $7.00",
        "b cluster · HPC Cluster 1 $5.00 $0.00 $5.00",
    ]


def test_no_heading_ends_a_page_and_no_total_begins_one():
    css = templating.render("statements/statement.css", autoescape=False, page_size="Letter", is_draft=False)
    rows = "".join(f"<tr><th scope=row>row {number}</th></tr>" for number in (1, 2, 3))
    table = (
        "<table><caption>caption</caption><thead><tr><th scope=col>head</th></tr></thead>"
        f"<tbody>{rows}</tbody><tfoot><tr><th scope=row>Total</th></tr></tfoot></table>"
    )
    firsts = []
    for height in range(170, 240, 2):
        page = f"<html lang=en><title>t</title><body><p style='height: {height}mm'>space</p><h2>Charges</h2>{table}"
        pages = PdfReader(BytesIO(pdf.write(page, css, templating.folders()).content)).pages
        firsts.append([line for line in pages[0].extract_text().splitlines() if not line.startswith("Page ")])
    everything = ["space", "Charges", "caption", "head", "row 1", "row 2", "row 3", "Total"]
    breaks = {tuple(first) for first in firsts}
    assert breaks == {tuple(everything[:count]) for count in (1, 5, 6, 8)}


@pytest.mark.parametrize("page", [("Letter", 612, 792), ("A4", 595, 842)])
def test_the_page_has_the_institutions_size(settings, page):
    settings.PAGE_SIZE, width, height = page
    make_charge()

    box = PdfReader(BytesIO(draft())).pages[0].mediabox

    assert (round(box.width), round(box.height)) == (width, height)


def test_how_to_object_is_never_alone_on_a_page():
    for number in range(12):
        make_charge(resource_name=f"node-{number}")
    last_pages = []
    for number in range(12, 18):
        make_charge(resource_name=f"node-{number}")
        last = PdfReader(BytesIO(draft())).pages[-1]
        rows = sum(line.startswith("node-") for line in last.extract_text().splitlines())
        last_pages.append((last.page_number, rows))
    assert last_pages == [(0, 13), (1, 1), (1, 1), (1, 1), (1, 1), (1, 2)]


def test_a_draft_says_so_and_is_not_kept():
    make_charge()

    assert words(draft()).count("Draft: it may still change") == 1
    assert not ArchivedDocument.objects.exists()


def test_the_pdf_is_accessible():
    make_charge(service_name="A")
    make_charge(service_name="B")

    with pikepdf.open(BytesIO(draft())) as document:
        root = document.Root
        kinds = structure(root.StructTreeRoot)
        assert bool(root.MarkInfo.Marked)
        assert str(root.Lang) == "en-US"
        assert bool(root.ViewerPreferences.DisplayDocTitle)
        with document.open_outline() as outline:
            (top,) = outline.root
            bookmarks = [item.title for item in top.children]
            assert (top.title, bookmarks) == ("Draft statement", ["Where it went", "By fund and service", "Charges"])
        assert document.docinfo["/Title"] == "Draft statement: engine, January 2025"
        marks = ("pdfuaid:part", "pdfaid:part", "pdfaid:conformance")
        assert [document.open_metadata()[mark] for mark in marks] == ["1", "3", "A"]
        assert [file.AFRelationship for file in root.AF] == ["/Data"]
        assert {"/H1", "/H2", "/Table", "/TH", "/TD", "/Figure"} <= set(kinds)
        assert kinds["/Figure"] == ("List price and amount due by service: A $100.00, due $0.00; B $100.00, due $0.00.")


def structure(element, found=None):
    """Kinds of structure elements, each with its alternative text where it has one."""
    found = {} if found is None else found
    if "/S" in element:
        found[str(element.S)] = str(element.get("/Alt", ""))
    children = element.get("/K", [])
    for child in children if isinstance(children, pikepdf.Array) else [children]:
        if isinstance(child, pikepdf.Dictionary):
            structure(child, found)
    return found


def test_names_are_text_and_never_markup():
    name = '"><img src="file:///etc/hostname"><b>{{ 1 }}'
    make_charge(pi=make_pi(name=name))

    assert words(draft()).count(name) == 1


# Nothing else gets in

LOGO = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect width='9' height='9'/></svg>"


def write(html, home, css=""):
    return pdf.write(f"<html lang=en><title>t</title><body>{html}", css, [home / "templates"]).content


@pytest.mark.parametrize(
    "html",
    [
        "<img src='file:///etc/hostname'>",
        "<img src='http://127.0.0.1:9/x.png'>",
        "<img src='../../etc/hostname'>",
        "<img src='%2e%2e/outside.svg'>",
        "<img src='link.svg'>",
        "<a rel=attachment href='file:///etc/hostname'>x</a>",
        "<link rel=attachment href='file:///etc/hostname'>",
        "<link rel=stylesheet href='http://127.0.0.1:9/x.css'>",
        "<style>@import url(file:///etc/hostname);</style>",
        "<style>@font-face { font-family: x; src: url(file:///etc/hostname) } p { font-family: x }</style><p>x",
        "<p style='background: url(http://127.0.0.1:9/x.png)'>x",
    ],
)
def test_nothing_outside_the_template_folders_is_read(home, html):
    folder = home / "templates"
    folder.mkdir()
    (home / "outside.svg").write_bytes(LOGO)
    (folder / "link.svg").symlink_to(home / "outside.svg")

    with pytest.raises(pdf.NotRendered, match=r"^The template refers to what it may not use: "):
        write(html, home)


def test_a_picture_in_a_picture_is_not_read_either(home):
    """The engine swallows this one error: it leaves the picture out."""
    picture = "<svg xmlns='http://www.w3.org/2000/svg'><image href='{}'/></svg>"
    (home / "outside.svg").write_bytes(LOGO)

    assert write(picture.format(f"file://{home}/outside.svg"), home) == write(picture.format("file:///absent"), home)


def test_a_style_may_not_read_outside_either(home):
    with pytest.raises(pdf.NotRendered, match=r"^The style refers to what it may not use: "):
        write("x", home, "@import url(file:///etc/hostname);")


def test_data_and_files_of_the_template_folder_are_read(home):
    (home / "templates").mkdir()
    (home / "templates/logo.svg").write_bytes(LOGO)

    for address in ("logo.svg", "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="):
        with pikepdf.open(BytesIO(write(f"<img alt=logo src='{address}'>", home))) as document:
            assert structure(document.Root.StructTreeRoot)["/Figure"] == "logo"


def test_a_missing_logo_fails_rather_than_leaving_a_gap(settings):
    settings.LOGO = "absent.png"
    make_charge()
    period = issued()

    (sentence,) = render_statements(period).failed.values()

    assert sentence.startswith("The template refers to what it may not use: ")
