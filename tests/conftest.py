"""A home of its own for every test, and the people who work with the system."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Group, User
from django.db import connection

from ocb_project import urls  # noqa: F401 - loads the admin's pages, which tests ask for
from statements import guards

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A database in a file, as in real use: other processes of a test can open it."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
    elif worker := os.environ.get("PYTEST_XDIST_WORKER"):
        connection.settings_dict["TEST"]["NAME"] = f"test_ocb_{worker}"


@pytest.fixture(autouse=True)
def home(settings: LazySettings, tmp_path: Path) -> Path:
    """OCB_HOME of this test: nothing that one test writes is seen by another."""
    settings.OCB_HOME = tmp_path
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose
    return tmp_path


@pytest.fixture(autouse=True)
def _lift_guards_after_commits(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that commits is followed by emptying all tables, which the guards refuse; a flush installs them anew."""
    marker = request.node.get_closest_marker("django_db")
    commits = bool(marker and marker.kwargs.get("transaction")) or bool(
        {"live_server", "transactional_db"} & set(request.fixturenames)
    )
    if commits:
        request.getfixturevalue("transactional_db")
    yield
    if commits:
        guards.lift()


@pytest.fixture
def shared_data() -> Path:
    """Real input that stands beside a developer's checkout, not in it."""
    if not SHARED.is_dir():
        pytest.skip(f"real input is absent: {SHARED}")
    return SHARED


def person(username: str, *groups: str, **kwargs: object) -> User:
    user = User.objects.create_user(username, f"{username}@example.edu", "secret", **kwargs)
    user.groups.set(Group.objects.filter(name__in=groups))
    assert user.groups.count() == len(groups)
    return user


@pytest.fixture
def superuser(db: None) -> User:
    return User.objects.create_superuser("root", "root@example.edu", "secret")


@pytest.fixture
def billing_admin(db: None) -> User:
    return person("admin", "Billing administrators", is_staff=True)


@pytest.fixture
def reviewer(db: None) -> User:
    return person("reviewer", "Reviewers", is_staff=True)


@pytest.fixture
def finance(db: None) -> User:
    return person("finance", "Finance", is_staff=True)


@pytest.fixture
def auditor(db: None) -> User:
    return person("auditor", "Auditors", is_staff=True)


@pytest.fixture
def outsider(db: None) -> User:
    """A signed-in person with no role at all."""
    return person("outsider")
