"""Who pays for a row: its tags, then the rules that staff set, then the project's own default.

Tags are matched without regard to case, punctuation or provider prefix, so `user:PI-Email` is `pi_email`.
"""

import re
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from xxhash import xxh3_64_intdigest

from charges.focus.tags import all_tags
from charges.models import AttributionRule, Charge, Source

Step = Charge.FundStep
NO_LETTER = re.compile(r"[\W_]")

NO_TAGS = ("", "{}", "[]", "null", "NULL", "None")
# The longest value that is used; a longer one is no value, never a cut one.
LONGEST = 1000  # characters of references
TAG_LENGTHS = {
    "pi_email": 254,
    "pi_name": 200,
    "project_id": 200,
    "project_name": 200,
    "fund_org": 100,
    "account_code": 60,
    "cost_center": 100,
    "department": 200,
    "delegates": 2000,
    "end_date": 40,
    "subsidy_funder": 200,
    "subsidy_fund": 100,
}


@dataclass(frozen=True, slots=True, eq=False)
class Payer:
    """Everything that a row says, or rules say for it, about who pays. Empty text: not said.

    Two are the same only if they are one: equal tags give one, so that look-ups for it are remembered cheaply.
    """

    pi_email: str = ""
    pi_name: str = ""
    project_code: str = ""
    project_name: str = ""
    fund: str = ""
    fund_step: str = Step.NONE
    rule: int | None = None
    account_code: str = ""
    cost_center: str = ""
    department: str = ""
    delegates: tuple[str, ...] = ()
    end_date: date | None = None
    funder: str = ""
    subsidy_fund: str = ""
    reference_1: str = ""
    reference_2: str = ""
    unusable_email: str = ""
    passed_over: tuple["PassedOver", ...] = ()  # tags that cannot be used
    told: int = 0  # digest of the tags that all this comes from

    @property
    def is_nobody(self) -> bool:
        """Neither a PI, project nor fund is said, not even in a way that cannot be used."""
        return not (self.pi_email or self.unusable_email or self.project_code or self.fund)


class PassedOver(NamedTuple):
    why: str
    text: str


class Usage(NamedTuple):
    """What rules match on."""

    tags: str
    sub_account_id: str = ""
    resource_id: str = ""
    resource_name: str = ""
    service_name: str = ""
    day: date | None = None
    allocated_tags: str = ""


class Attributor:
    """Answers for the rows of one source. Equal tags are read once: a month repeats them thousands of times."""

    def __init__(self, source: Source) -> None:
        self.source = source
        rules = AttributionRule.objects.select_related("pi", "project", "funding_account")
        mine = [rule for rule in rules if rule.source_id in (None, source.pk)]
        # The first rule of the list decides: it overrides last, and fills first.
        overriding = [rule for rule in reversed(mine) if rule.mode == AttributionRule.Mode.OVERRIDE]
        self.rules = [*overriding, *(rule for rule in mine if rule.mode == AttributionRule.Mode.FILL)]
        self.read = lru_cache(maxsize=20_000)(self._read)

    def payer(self, usage: Usage) -> Payer:
        payer = self.read(usage.tags, usage.allocated_tags)
        for rule in self.rules:
            if matches(rule, usage):
                payer = _apply(rule, payer)
        return payer

    def _read(self, tags: str, allocated_tags: str) -> Payer:
        over: list[PassedOver] = []
        payer = _payer_from_tags(read_tags(tags, over) | read_tags(allocated_tags, over), over)
        funder = payer.funder or self.source.funder
        fund = payer.subsidy_fund or (self.source.subsidy_fund if funder else "")
        return replace(payer, funder=funder, subsidy_fund=fund)


def read_tags(text: str, over: list[PassedOver] | None = None) -> dict[str, str]:
    """The tags that we know, by our names. Unprefixed keys win. What cannot be used is added to `over`."""
    raw, known = all_tags(text), _known_tags(tuple(settings.REFERENCE_TAGS))
    over = [] if over is None else over
    if not raw and text.strip() not in NO_TAGS:
        over.append(PassedOver("Tags are neither JSON nor key=value text", text))
    found: dict[str, str] = {}
    for key in sorted(raw, key=lambda key: (":" in key, "/" in key)):
        name = known.get(_normalise(re.split("[:/]", key)[-1]))
        value = _text(raw[key])
        if name and len(value) > (longest := TAG_LENGTHS.get(name, LONGEST)):
            over.append(PassedOver(f"The tag {name} has more than {longest:,} characters", value))
        elif name and value:
            found.setdefault(name, value)
    return found


def address(text: str) -> str:
    """A bare name gets the institution's mail domain. Raises ValidationError for what is no address."""
    email = text.lower() if "@" in text else f"{text.lower()}@{settings.MAIL_DOMAIN}"
    validate_email(email)
    return email


def matches(rule: AttributionRule, usage: Usage) -> bool:
    """All that the rule names must match; dates are those of the usage."""
    if usage.day and ((rule.valid_from or usage.day) > usage.day or (rule.valid_until or usage.day) < usage.day):
        return False
    if rule.sub_account_id and rule.sub_account_id != usage.sub_account_id:
        return False
    if rule.service_name and rule.service_name != usage.service_name:
        return False
    prefix = rule.resource_prefix
    if prefix and not (usage.resource_id.startswith(prefix) or usage.resource_name.startswith(prefix)):
        return False
    return not rule.tag or _has_tag(rule.tag, usage.tags) or _has_tag(rule.tag, usage.allocated_tags)


def _payer_from_tags(tags: dict[str, str], over: list[PassedOver]) -> Payer:
    email, unusable = _email(tags.get("pi_email", ""))
    end = tags.get("end_date", "")
    if end and not _day(end):
        over.append(PassedOver("The tag end_date is no date as 2025-12-31 is one", end))
    references = [*settings.REFERENCE_TAGS, "", ""]
    return Payer(
        pi_email=email,
        unusable_email=unusable,
        pi_name=tags.get("pi_name", ""),
        project_code=tags.get("project_id", ""),
        project_name=tags.get("project_name", ""),
        fund=tags.get("fund_org", ""),
        fund_step=Step.TAG if "fund_org" in tags else Step.NONE,
        account_code=tags.get("account_code", ""),
        cost_center=tags.get("cost_center", ""),
        department=tags.get("department", ""),
        delegates=_addresses(tags.get("delegates", "")),
        end_date=_day(end),
        passed_over=tuple(over),
        funder=tags.get("subsidy_funder", ""),
        subsidy_fund=tags.get("subsidy_fund", ""),
        told=xxh3_64_intdigest(repr(sorted(tags.items())).encode()) >> 1,  # as a database holds integers
        reference_1=tags.get(references[0], ""),
        reference_2=tags.get(references[1], ""),
    )


def _apply(rule: AttributionRule, payer: Payer) -> Payer:
    is_override = rule.mode == AttributionRule.Mode.OVERRIDE
    changes: dict[str, Any] = {}
    if rule.pi and (is_override or not payer.pi_email):
        changes |= {"pi_email": rule.pi.email, "rule": rule.pk}
    if rule.project and (is_override or not payer.project_code):
        changes |= {"project_code": rule.project.code, "rule": rule.pk}
    if rule.funding_account and (is_override or not payer.fund):
        step = Step.OVERRIDE if is_override else Step.RULE
        changes |= {"fund": rule.funding_account.code, "fund_step": step, "rule": rule.pk}
    return replace(payer, **changes) if changes else payer


@lru_cache(maxsize=1)
def _known_tags(references: tuple[str, ...]) -> dict[str, str]:
    return {_normalise(name): name for name in (*TAG_LENGTHS, *references)}


def _has_tag(wanted: str, text: str) -> bool:
    key, _, value = wanted.partition("=")
    return any(
        _normalise(name) == _normalise(key) and _text(tag) == value.strip() for name, tag in all_tags(text).items()
    )


def _normalise(key: str) -> str:
    return NO_LETTER.sub("", key.casefold())


def _text(value: Any) -> str:
    """Text without control characters; a valueless tag (true), null, or a nested value says nothing."""
    return "".join(filter(str.isprintable, value)).strip() if isinstance(value, str) else ""


def _email(text: str) -> tuple[str, str]:
    if not text:
        return "", ""
    try:
        return address(text), ""
    except ValidationError:
        return "", text


def _addresses(text: str) -> tuple[str, ...]:
    found = (_email(part)[0] for part in re.split(r"[\s,;]+", text) if part)
    return tuple(email for email in found if email)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
