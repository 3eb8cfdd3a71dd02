"""What to do next with a month, in one sentence: the start page and the month's page ask here."""

from dataclasses import dataclass

from charges.models import Charge, FocusImport
from charges.money import printed, total
from periods.blockers import Blocker, checklist
from periods.models import BillingPeriod
from statements.issuing import stale_statements
from statements.journaling import outstanding
from statements.models import Journal, Seal, Statement, unmailed


@dataclass(frozen=True, slots=True)
class NextStep:
    """`action` names a step of the month's page, or `import`, or `review`; `link` leads to what is in the way."""

    sentence: str
    action: str = ""
    link: str = ""


def next_step(period: BillingPeriod) -> NextStep:
    return {
        BillingPeriod.State.OPEN: _while_open,
        BillingPeriod.State.CLOSED: _while_closed,
        BillingPeriod.State.FINALIZED: _when_finalized,
    }[BillingPeriod.State(period.state)](period)


def _while_open(period: BillingPeriod) -> NextStep:
    if not FocusImport.objects.loaded().filter(scopes__period=period).exists():
        return NextStep(f"Nothing is loaded for {period} yet. Import the files of its sources.", "import")
    guards = checklist(period, "close")
    if guards and not guards[0].is_warning:
        return NextStep(guards[0].sentence, link=guards[0].link)
    held = Charge.objects.filter(period=period).held().count()
    if held:
        return NextStep(f"{_count(held, 'charge')} held for review. Decide on each, then close the month.", "review")
    if guards:
        return NextStep(guards[0].sentence, link=guards[0].link)
    return NextStep(f"Nothing is held. When all files of {period} have come, close it.", "close")


def _while_closed(period: BillingPeriod) -> NextStep:
    current = Statement.objects.filter(period=period).current()
    stale = stale_statements(period)
    if stale:
        return NextStep(f"{_count(len(stale), 'statement')} to be issued or revised.", "issue")
    unrendered = current.filter(document=None).count()
    if unrendered:
        return NextStep(f"{_count(unrendered, 'statement')} without a PDF. Render them.", "render")
    unsent = unmailed(current).count()
    if unsent:
        return NextStep(f"{_count(unsent, 'statement')} not mailed yet.", "email")
    return (
        _ledger(period)
        or _first_blocker(period)
        or NextStep(f"{period} is sent and posted. Finalize it: nothing in it can change afterwards.", "finalize")
    )


def _ledger(period: BillingPeriod) -> NextStep | None:
    journal = Journal.objects.filter(period=period, state=Journal.State.EXPORTED).last()
    if journal:
        return NextStep(f"{journal} is with finance. Enter their reference once it is posted.", "acknowledge")
    to_post = outstanding(period)
    if not to_post:
        return None
    debits = printed(total([amount for amount in to_post.values() if amount > 0]), period.currency)
    return NextStep(f"{debits} to post. Export the journal for finance.", "export")


def _when_finalized(period: BillingPeriod) -> NextStep:
    seal = Seal.objects.filter(period=period).first()
    return NextStep(f"{period} is finalized under {seal}." if seal else f"{period} is finalized.")


def _first_blocker(period: BillingPeriod) -> NextStep | None:
    blockers = [blocker for blocker in checklist(period, "finalize") if not _is_passable(blocker)]
    return NextStep(blockers[0].sentence, link=blockers[0].link) if blockers else None


def _is_passable(blocker: Blocker) -> bool:
    return blocker.is_warning or blocker.is_overridable


def _count(number: int, noun: str) -> str:
    return f"1 {noun} is" if number == 1 else f"{number} {noun}s are"
