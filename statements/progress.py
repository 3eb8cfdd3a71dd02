"""What to do next with a month, in one sentence: the start page and the month's page ask here."""

from collections.abc import Sequence
from dataclasses import dataclass

from charges.models import Charge, FocusImport
from charges.money import printed, total
from periods.blockers import Blocker
from periods.models import BillingPeriod
from statements.journaling import outstanding
from statements.models import Journal, Seal, Statement, unmailed

State = BillingPeriod.State


@dataclass(frozen=True, slots=True)
class NextStep:
    """`action` names a step of the month's page, or `import`, or `review`; `link` leads to what is in the way."""

    sentence: str
    action: str = ""
    link: str = ""


def next_step(period: BillingPeriod, blockers: Sequence[Blocker]) -> NextStep:
    """`blockers` are those of the transition that comes next, which take long to find in a large month."""
    if period.state == State.FINALIZED:
        return _when_finalized(period)
    return (_while_open if period.state == State.OPEN else _while_closed)(period, blockers)


def _while_open(period: BillingPeriod, blockers: Sequence[Blocker]) -> NextStep:
    if not FocusImport.objects.loaded().filter(scopes__period=period).exists():
        return NextStep(f"Nothing is loaded for {period} yet. Import the files of its sources.", "import")
    if blockers and not blockers[0].is_warning:
        return NextStep(blockers[0].sentence, link=blockers[0].link)
    held = Charge.objects.filter(period=period).held().count()
    if held:
        return NextStep(f"{_count(held, 'charge')} held for review. Decide on each, then close the month.", "review")
    if blockers:
        return NextStep(blockers[0].sentence, link=blockers[0].link)
    return NextStep(f"Nothing is held. When all files of {period} have come, close it.", "close")


def _while_closed(period: BillingPeriod, blockers: Sequence[Blocker]) -> NextStep:
    if step := next((blocker for blocker in blockers if blocker.step), None):
        return NextStep(step.sentence, step.step)
    unsent = unmailed(Statement.objects.filter(period=period).current()).count()
    if unsent:
        return NextStep(f"{_count(unsent, 'statement')} not mailed yet.", "email")
    return (
        _ledger(period)
        or _first(blockers)
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


def _first(blockers: Sequence[Blocker]) -> NextStep | None:
    standing = (blocker for blocker in blockers if not _is_passable(blocker))
    return next((NextStep(blocker.sentence, link=blocker.link) for blocker in standing), None)


def _is_passable(blocker: Blocker) -> bool:
    return blocker.is_warning or blocker.is_overridable


def _count(number: int, noun: str) -> str:
    return f"1 {noun} is" if number == 1 else f"{number} {noun}s are"
