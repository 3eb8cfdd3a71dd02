from statements.models.archive import ArchivedDocument, RuleInForce, Seal
from statements.models.delivery import EmailDelivery, EmailEvent, Suppression, bounced, latest_to_pi, unmailed
from statements.models.journal import Journal, JournalLine
from statements.models.statement import Statement, StatementCounter, StatementLine

__all__ = [
    "ArchivedDocument",
    "EmailDelivery",
    "EmailEvent",
    "Journal",
    "JournalLine",
    "RuleInForce",
    "Seal",
    "Statement",
    "StatementCounter",
    "StatementLine",
    "Suppression",
    "bounced",
    "latest_to_pi",
    "unmailed",
]
