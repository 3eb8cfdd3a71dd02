"""What WeasyPrint takes as its manual shows it: the HTML and the style of each statement, and nothing shared or tagged.

`python -m ocb_project.bench.plain MONTH COUNT`, in a process of its own; a COUNT of 0 measures its start.
"""

import sys


def write(month: str, count: int) -> None:
    from weasyprint import CSS, HTML  # noqa: PLC0415

    from periods.models import BillingPeriod  # noqa: PLC0415 - Django must be set up
    from statements.lines import Books  # noqa: PLC0415
    from statements.models import Statement  # noqa: PLC0415
    from statements.pdf import BASE, TemplateFetcher  # noqa: PLC0415
    from statements.rendering.documents import as_page, frozen_lines  # noqa: PLC0415

    period = BillingPeriod.objects.get(month=month)
    for statement in Statement.objects.filter(period=period).current()[:count]:
        html, css, folders, _ = as_page(statement, frozen_lines(statement), Books(period)).args
        fetcher = TemplateFetcher(folders)
        style = CSS(string=css, base_url=BASE, url_fetcher=fetcher)
        HTML(string=html, base_url=BASE, url_fetcher=fetcher).write_pdf(stylesheets=[style])


if __name__ == "__main__":
    import django

    django.setup()
    write(sys.argv[1], int(sys.argv[2]))
