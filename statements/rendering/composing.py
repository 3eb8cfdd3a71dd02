"""Composes a statement's context from its frozen lines and the charges behind them."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby

from django.conf import settings
from django.db.models import Sum
from django.urls import reverse

from charges.models import Charge
from charges.models.charge import ChargeQuerySet
from charges.money import ZERO, round_to_currency, total
from statements.lines import SHARED_CREDITS
from statements.models import Statement, StatementLine
from statements.rendering import detail
from statements.rendering.context import Bar, Discount, FundTotal, Institution, Line, StatementContext
from statements.rendering.endings import endings
from statements.rendering.history import history
from statements.rendering.quantities import Quantities

HUNDRED = 100
MOST_BARS = 8
WIDTH = 1000  # of the chart's widest bar


def compose(statement: Statement, lines: Sequence[StatementLine], *, is_draft: bool = False) -> StatementContext:
    """Works for drafts that were never saved. The detail is read now: it must not have changed since the issue."""
    charges = charges_of(statement)
    usage = [line for line in lines if line.kind == StatementLine.Kind.CHARGES]
    return StatementContext(
        is_draft=is_draft,
        page_size=settings.PAGE_SIZE,
        language=settings.LOCALE.replace("_", "-"),
        institution=institution(),
        number="" if statement.number is None else f"S-{statement.number:06d}",
        revision=statement.revision,
        month=statement.period.month,
        issued_at=statement.issued_at,
        currency=statement.currency,
        pi_name=statement.pi_name,
        pi_email=statement.pi_email,
        department=statement.department,
        project_code=statement.project_code,
        project_name=statement.project_name,
        references=list(detail.references(charges.billable())),
        list_amount=statement.list_amount,
        due_amount=statement.due_amount,
        discounts=list(discounts(lines)),
        provider_credits=_provider_credits(charges.billable(), lines, statement.currency),
        lines=folded(usage, Quantities(charges.billable(), statement.currency)),
        adjustments=[adjustment_line(line) for line in lines if line.kind == StatementLine.Kind.ADJUSTMENT],
        funds=fund_totals(lines),
        bars=_bars(usage),
        services=len({line.service_name for line in usage}),
        history=history(statement),
        endings=endings(statement, lines),
        detail=detail.detail(charges.billable(), statement.currency),
        held=detail.held(charges.held(), statement.currency),
        dispute_until=statement.dispute_until,
        portal_url=_portal_url(statement),
        charges_url=_charges_url(statement),
        charges_file=charges_file_name(statement),
        seal_head=statement.seal_head,
    )


def charges_of(statement: Statement) -> ChargeQuerySet:
    """Of the statement's payer and month, whatever was decided about them."""
    return Charge.objects.filter(period=statement.period_id, pi=statement.pi_id, project=statement.project_id)


def institution() -> Institution:
    contact = settings.INSTITUTION_CONTACT or settings.REPLY_TO_EMAIL or settings.DEFAULT_FROM_EMAIL
    address = [line.strip() for line in settings.INSTITUTION_ADDRESS.split(";") if line.strip()]
    return Institution(name=settings.INSTITUTION_NAME, address=address, contact=contact, logo=settings.LOGO)


def discounts(lines: Sequence[StatementLine]) -> Iterator[Discount]:
    """Parts that sum to the discount. Only what has a named funder is called a subsidy."""
    negotiated = total([line.provider_discount for line in lines])
    by_funder: dict[str, Decimal] = {}
    for line in lines:
        by_funder[line.funder] = by_funder.get(line.funder, ZERO) + line.subsidy
    plain = by_funder.pop("", ZERO)
    adjusted = total([line.adjustments for line in lines])
    found = [
        Discount("negotiated", negotiated),
        *(Discount("subsidy", amount, funder) for funder, amount in sorted(by_funder.items())),
        Discount("discount", plain),
        Discount("adjustments", adjusted),
    ]
    return (part for part in found if part.amount)


def _provider_credits(charges: ChargeQuerySet, lines: Sequence[StatementLine], currency: str) -> Decimal:
    """Their own, and their share of those that nobody is named for."""
    credited = charges.filter(charge_category="Credit").aggregate(due=Sum("due_amount"))["due"]
    shared = total([line.due_amount for line in lines if line.description.startswith(SHARED_CREDITS)])
    return round_to_currency((credited or ZERO) + shared, currency)


def folded(lines: Sequence[StatementLine], quantities: Quantities | None = None) -> list[Line]:
    """By source, service and fund: account codes and funders are for finance, and divide what a PI sees as one."""
    ordered = sorted(lines, key=place)
    return [_fold(where, list(same), quantities) for where, same in groupby(ordered, key=place)]


def place(line: StatementLine) -> tuple[str, str, str]:
    share = "" if line.percent == HUNDRED else f" ({line.percent.normalize():f} %)"
    fund = f"{line.funding_account.code}{share}" if line.funding_account else ""
    return (line.source.name if line.source else "", line.description or line.service_name, fund)


def _fold(where: tuple[str, str, str], lines: Sequence[StatementLine], quantities: Quantities | None) -> Line:
    shared = [line.shared_amount for line in lines if line.shared_amount is not None]
    return Line(
        *where,
        list_amount=total([line.list_amount for line in lines]),
        due_amount=total([line.due_amount for line in lines]),
        share_of=total(shared) if shared else None,
        usage=quantities.of(lines[0]) if quantities else None,
        rounded_away=quantities.rounded_away(lines) if quantities else ZERO,
    )


def adjustment_line(line: StatementLine) -> Line:
    _, description, fund = place(line)
    given = line.adjustment
    return Line(
        source=given.get_kind_display() if given else "",
        service=description,
        fund=fund,
        list_amount=line.list_amount,
        due_amount=line.due_amount,
        reason=given.reason if given else "",
    )


def fund_totals(lines: Iterable[StatementLine]) -> list[FundTotal]:
    """What the journal will charge to each fund, and credit where it is negative."""
    by_fund: dict[str, Decimal] = {}
    for line in lines:
        if line.funding_account:
            code = line.funding_account.code
            by_fund[code] = by_fund.get(code, ZERO) + line.due_amount
    return [FundTotal(code, due) for code, due in sorted(by_fund.items()) if due]


def _bars(lines: Sequence[StatementLine]) -> list[Bar]:
    """Services by list price, largest first. A chart of one bar says nothing, so there is none."""
    by_service: dict[str, tuple[Decimal, Decimal]] = {}
    for line in lines:
        list_amount, due = by_service.get(line.service_name, (ZERO, ZERO))
        by_service[line.service_name] = (list_amount + line.list_amount, due + line.due_amount)
    ordered = sorted(by_service.items(), key=lambda item: (-item[1][0], item[0]))
    widest = max((max(list_amount, due) for _, (list_amount, due) in ordered), default=ZERO)
    if len(ordered) < 2 or widest <= 0:  # noqa: PLR2004
        return []
    return [
        Bar(service, list_amount, due, _width(list_amount, widest), _width(due, widest))
        for service, (list_amount, due) in ordered[:MOST_BARS]
    ]


def _portal_url(statement: Statement) -> str:
    number = statement.number
    return settings.SITE_URL + (reverse("portal:statement", args=[number]) if number else reverse("portal:home"))


def _charges_url(statement: Statement) -> str:
    return settings.SITE_URL + reverse("portal:charges", args=[statement.number]) if statement.number else ""


def charges_file_name(statement: Statement) -> str:
    return f"charges-{statement.period.month}.csv"


def _width(amount: Decimal, widest: Decimal) -> int:
    return max(0, int(amount * WIDTH / widest))
