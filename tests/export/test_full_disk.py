"""A disk that is full while an engine is written: a real limit, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FULL_DISK = """
import resource, sys
from pathlib import Path
from edgeclip.errors import SetupError
from edgeclip_export.config import EngineConfig
from edgeclip_export.engine_files import prepare_engine
from edgeclip_export.progress import SilentProgress

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    prepare_engine(Path(sys.argv[1]), EngineConfig(), SilentProgress(), lambda check: None)
except SetupError as error:
    print(error)
"""


@pytest.mark.rtx
@pytest.mark.parametrize("limit_bytes", [4096, 0], ids=["while writing", "at the first byte"])
def test_a_disk_that_is_full_while_writing_leaves_nothing(bundle: Path, limit_bytes: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(bundle), str(limit_bytes)],
        capture_output=True,
        text=True,
        check=True,
    )
    if limit_bytes:
        assert "cannot be written (File too large; " in done.stdout
        assert "nothing of it was left" in done.stdout
    assert done.stdout.count("\n") == 1
    assert not (bundle / "engines").exists()
