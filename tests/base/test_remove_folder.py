from __future__ import annotations

import os
import signal

from rsir_fast.base.durable import sweep
from rsir_fast.base.held import remove_folder


def test_another_process_may_sweep_what_is_being_removed(tmp_path):
    """What is out of sight is anybody's to remove: of two, none fails because the other was quicker."""
    child = os.fork()
    if child == 0:
        while True:
            sweep(tmp_path)
    try:
        for number in range(40):
            folder = tmp_path / str(number)
            folder.mkdir()
            for name in range(60):
                (folder / str(name)).touch()
            remove_folder(folder, durably=False)
        assert [name for name in os.listdir(tmp_path) if not name.startswith(".")] == []
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
