"""Remedies say what there is: the command line goes on by itself, `--resume` is an option that nobody needs."""

from __future__ import annotations

from pathlib import Path

import rsir_fast

PACKAGE = Path(rsir_fast.__file__).parent


def test_no_message_of_the_library_names_resume_as_an_option() -> None:
    naming = [path for path in PACKAGE.rglob("*.py") if "--resume" in path.read_text()]
    assert {path.relative_to(PACKAGE).parts[0] for path in naming} <= {"cli"}
