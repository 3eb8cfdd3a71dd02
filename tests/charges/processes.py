"""The real command in a process of its own, on this test's database and home."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import LazySettings
from django.db import connection


def start_import(
    path: Path, settings: LazySettings, *options: str, source: str = "aws", **given: Any
) -> subprocess.Popen[bytes]:
    """`manage.py import_focus`. What is given goes to Popen."""
    command = [sys.executable, "manage.py", "import_focus", str(path), "--source", source, *options]
    environment = {**os.environ, "OCB_HOME": str(settings.OCB_HOME), "DATABASE_URL": database_url()}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, **{**pipes, **given})


def database_url() -> str:
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    host = f"{database['HOST']}:{database['PORT']}".strip(":")
    return f"postgres://{database['USER']}:{database['PASSWORD']}@{host}/{database['NAME']}"
