from statements.models.archive import ArchivedDocument, RuleInForce, Seal
from statements.models.delivery import EmailDelivery
from statements.models.journal import Journal, JournalLine
from statements.models.statement import Statement, StatementCounter, StatementLine

__all__ = [
    "ArchivedDocument",
    "EmailDelivery",
    "Journal",
    "JournalLine",
    "RuleInForce",
    "Seal",
    "Statement",
    "StatementCounter",
    "StatementLine",
]
