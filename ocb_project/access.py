"""Who may do what, for the review of access: people, their groups, and our permissions in words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from ocb_project.roles import OUR_APPS
from periods.spreadsheets import as_csv

DIRECTLY, EVERYTHING = "directly", "Everything"
COLUMNS = (
    "user", "name", "email", "active", "staff", "superuser", "groups", "last_sign_in", "permission", "through",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grant:
    """One thing that a person may do, and what lets them."""

    words: str
    through: list[str]


@dataclass(frozen=True, slots=True)
class Person:
    user: User
    groups: list[str]
    grants: list[Grant]

    @property
    def marks(self) -> list[str]:
        user = self.user
        found = {
            "Inactive": not user.is_active,
            "Superuser": user.is_superuser,
            "No staff: cannot enter the admin": not user.is_staff,
        }
        return [mark for mark, applies in found.items() if applies]


@dataclass(frozen=True, slots=True)
class Row:
    """One permission, and for each group whether it has it."""

    words: str
    has: list[bool]


@dataclass(frozen=True, slots=True)
class Access:
    people: list[Person]
    groups: list[str]
    rows: list[Row]
    others: int  # who only read statements

    def as_csv(self) -> str:
        return as_csv(COLUMNS, (row for person in self.people for row in _csv_rows(person)))


def review_access() -> Access:
    """Staff, superusers, and whoever has a group or a permission; all else are readers of the portal."""
    has_power = Q(is_staff=True) | Q(is_superuser=True) | Q(groups__isnull=False) | Q(user_permissions__isnull=False)
    powerful = User.objects.filter(has_power).distinct()
    groups = list(Group.objects.order_by("name").prefetch_related(Prefetch("permissions", _ours())))
    users = powerful.prefetch_related("groups", Prefetch("user_permissions", _ours())).order_by("username")
    by_group = {group.pk: group for group in groups}
    people = [_person(user, [by_group[group.pk] for group in user.groups.all()]) for user in users]
    return Access(
        people=sorted(people, key=lambda person: not person.user.is_active),
        groups=[group.name for group in groups],
        rows=_matrix(groups),
        others=User.objects.count() - len(people),
    )


def _ours() -> QuerySet[Permission]:
    """What changes something; everybody with a role may look."""
    acting = Permission.objects.exclude(codename__startswith="view_")
    return acting.filter(content_type__app_label__in=(*OUR_APPS, "auth")).order_by("name")


def _person(user: User, groups: list[Group]) -> Person:
    names = sorted(group.name for group in groups)
    if user.is_superuser:
        return Person(user, names, [Grant(EVERYTHING, ["superuser"])])
    through: dict[str, list[str]] = {}
    for name, permissions in (*((group.name, group.permissions.all()) for group in groups), _direct(user)):
        for permission in permissions:
            through.setdefault(_words(permission), []).append(name)
    return Person(user, names, [Grant(words, sorted(through[words])) for words in sorted(through)])


def _direct(user: User) -> tuple[str, Iterable[Permission]]:
    return DIRECTLY, user.user_permissions.all()


def _matrix(groups: list[Group]) -> list[Row]:
    held = [{_words(permission) for permission in group.permissions.all()} for group in groups]
    return [Row(words, [words in names for names in held]) for words in sorted(set().union(*held))]


def _words(permission: Permission) -> str:
    """Can close a billing period: close a billing period."""
    words = permission.name.removeprefix("Can ")
    return words[:1].upper() + words[1:]


def _csv_rows(person: Person) -> Iterator[list[str]]:
    user = person.user
    marks = (user.is_active, user.is_staff, user.is_superuser)
    head = [user.username, user.get_full_name(), user.email, *("yes" if mark else "no" for mark in marks)]
    head += ["; ".join(person.groups), _moment(user.last_login)]
    for grant in person.grants or [Grant("", [])]:
        yield [*head, grant.words, "; ".join(grant.through)]


def _moment(at: datetime | None) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M") if at else "never"
