"""Processes that work on an archive are killed, one after the other; `archive_storm.py` does it for long."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

STORM = Path(__file__).parents[1] / "archive_storm.py"
KILLS = 1000


def test_nothing_is_lost_in_a_storm(tmp_path):
    """Two of them beside each other, as they take a minute."""
    states = [tmp_path / f"{seed}.json" for seed in range(2)]
    storms = [
        subprocess.Popen(
            [sys.executable, str(STORM), str(KILLS), "--seed", path.stem, "--state", str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for path in states
    ]
    said = [storm.communicate()[0] for storm in storms]
    assert [storm.returncode for storm in storms] == [0, 0], "\n".join(said)
    for path in states:
        tally = json.loads(path.read_text())
        assert tally["kills"] >= KILLS
        assert set(tally["by_action"]) == {"mirror", "keep", "remove", "compact", "vacuum"}
        assert tally["interrupted"] > KILLS // 5
        assert tally["after"] > 0
    print("\n".join(said))
