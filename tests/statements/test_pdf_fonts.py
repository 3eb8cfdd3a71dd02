"""The fonts of statements: WeasyPrint lays copies of them among the system's temporary files."""

import subprocess
import sys

from django.conf import settings

PROGRAM = """
import sys, tempfile
from pathlib import Path
from statements import pdf

css = '@font-face { font-family: Inter; src: url("statements/fonts/Inter-Regular.woff2") } body { font-family: Inter }'
pdf.write("<html lang=en><title>t</title><body>Zürich", css, [Path(sys.argv[1])])
print(len(list(Path(tempfile.gettempdir()).iterdir())))
"""


def test_a_process_that_made_pdfs_leaves_no_fonts_behind(tmp_path):
    made = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(settings.BASE_DIR / "templates")],
        cwd=settings.BASE_DIR,
        env={"TMPDIR": str(tmp_path)},
        capture_output=True,
        check=True,
        text=True,
    )

    assert (made.stdout, list(tmp_path.iterdir())) == ("1\n", [])
