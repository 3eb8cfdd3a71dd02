import logging
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.cache import cache

from tests.roles.world import World


@pytest.fixture
def world(db: None, home: Path, settings: LazySettings, caplog: pytest.LogCaptureFixture) -> World:
    caplog.set_level(logging.CRITICAL, "django.request")  # else each refusal is written with its traceback
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.roles.world.Unrendered"]
    settings.PAYERS_CHOOSE_ACCOUNT = True
    cache.clear()  # which counts the codes that were asked for
    return World(home)
