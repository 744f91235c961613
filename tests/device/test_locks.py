from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeclip.errors import SetupError
from edgeclip_device.locks import only_process

HOLD = """
import sys, time
from pathlib import Path
from edgeclip_device.locks import only_process
with only_process(Path(sys.argv[1]), "detect"):
    print("held", flush=True)
    time.sleep(60)
"""


def _hold(state: Path) -> None:
    with only_process(state, "detect"):
        pass


def test_a_second_process_is_refused_with_the_first_ones_number(tmp_path: Path) -> None:
    ours = f"another detect \\(process {os.getpid()}\\)"
    with only_process(tmp_path, "detect"), pytest.raises(SetupError, match=ours):
        _hold(tmp_path)


def test_detect_and_uplink_work_beside_each_other(tmp_path: Path) -> None:
    with only_process(tmp_path, "detect"), only_process(tmp_path, "uplink"):
        assert (tmp_path / "uplink.lock").exists()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(SetupError, match=f"process {child.pid}"):
            _hold(tmp_path)
        child.send_signal(signal.SIGKILL)
    with only_process(tmp_path, "detect"):
        assert (tmp_path / "detect.lock").read_text().strip() == str(os.getpid())


def test_a_state_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(SetupError, match="name another one with --state"):
        _hold(file / "state")
