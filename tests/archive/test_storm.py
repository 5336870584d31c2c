"""Processes that work on an archive are killed, one after the other; `archive_storm.py` does it for long."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

STORM = Path(__file__).parents[1] / "archive_storm.py"
KILLS = 200


def test_nothing_is_lost_in_a_storm(tmp_path):
    state = tmp_path / "state.json"
    storm = [sys.executable, str(STORM), str(KILLS), "--state", str(state)]
    ended = subprocess.run(storm, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    tally = json.loads(state.read_text())
    assert tally["kills"] >= KILLS
    assert set(tally["by_action"]) == {"mirror", "keep", "remove", "compact", "vacuum"}
    assert tally["interrupted"] > KILLS // 5
    assert tally["after"] > 0
