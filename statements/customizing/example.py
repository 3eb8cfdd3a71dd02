"""An example of what a template gets, from this installation's own data with every name made up."""

import json
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

ITEMS = 2  # of every list: enough to see its shape
MADE_UP = {
    "pi_name": "Principal Investigator",
    "pi_email": "investigator@example.edu",
    "recipient": "investigator@example.edu",
    "department": "Department",
    "project_code": "project",
    "project_name": "Project",
    "name": "Name",
    "values": "REFERENCE",
    "fund": "FUND",
    "code": "FUND",
    "account": "ACCOUNT",
    "what": "Project",
    "resource": "resource",
    "description": "What was used",
    "reason": "Why it was adjusted",
    "funder": "Funder",
    "contact": "billing@example.edu",
    "address": "Street and town",
    "sent_to": "delegate@example.edu",
    "reply_to": "billing@example.edu",
}


def example(context: Any) -> str:
    """JSON of a context's fields. Amounts stay as they are: the figures should add up for whoever tries a layout."""
    return json.dumps(_made_up(asdict(context), ""), indent=2, ensure_ascii=False)


def _made_up(value: Any, name: str) -> Any:
    if name == "fund_parts":
        return {part: "PART" if found else "" for part, found in value.items()}
    if isinstance(value, dict):
        return {key: _made_up(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_made_up(item, name) for item in value[:ITEMS]]
    if isinstance(value, str):
        return MADE_UP.get(name, value) if value else ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else value
