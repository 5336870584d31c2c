"""Writers that are killed before any of their calls to the file system; `archive_campaigns.py` does every one."""

from __future__ import annotations

import pytest

from archive_campaigns import Kills, race


def test_killed_writers_lose_nothing_and_leave_nothing(tmp_path):
    kills = Kills(tmp_path)
    assert kills.count > 100
    for number in range(1, kills.count + 1, 17):
        kills.run(number)


@pytest.mark.parametrize("fault", ["ENOSPC", "EIO", "EMFILE"])
def test_failing_calls_end_in_one_of_our_errors_and_lose_nothing(tmp_path, fault):
    kills = Kills(tmp_path, fault)
    for number in range(5, kills.count + 1, 29):
        kills.run(number)


def test_the_count_of_calls_is_that_of_a_whole_run(tmp_path):
    kills = Kills(tmp_path)
    assert not kills.is_killed(kills.count + 1)
    assert kills.is_killed(kills.count)


@pytest.mark.parametrize("writers", [2, 3])
def test_racing_writers_lose_nothing(tmp_path, writers):
    assert race(tmp_path, writers, rounds=8) >= 8
