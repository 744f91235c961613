"""A desk without mosquitto: the embedded broker, which speaks MQTT 3.1.1 only."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.dashboards import PROJECT, eventually, running_dashboard

BIN = Path(sys.executable).parent


@contextmanager
def _embedded_broker() -> Iterator[str]:
    """Yield the address that `edgeclip-dashboard broker` names."""
    words = [str(BIN / "edgeclip-dashboard"), "broker", "--port", "0"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        found = (re.search(r"mqtt://[\d.]+:\d+", line) for line in process.stdout)
        yield next(match.group() for match in found if match)
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_device_and_dashboard_meet_over_the_embedded_broker(
    tmp_path: Path, clip: Path, bundle: Path
) -> None:
    with (
        _embedded_broker() as url,
        running_dashboard(tmp_path / "dashboard", url, "--protocol", "3.1.1") as dashboard,
    ):
        dashboard.wait_online()
        words = ["replay", str(clip), "--bundle", str(bundle), "--project", PROJECT, "--json"]
        where = ["--broker", url, "--protocol", "3.1.1", "--state", str(tmp_path / "state")]
        done = subprocess.run(
            [str(BIN / "edgeclip-device"), *words, *where],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["is_delivered"]
        committed = {row["detection"]["detection_id"] for row in result["detections"]}
        assert len(committed) >= 1
        eventually(
            lambda: {row["detection_id"] for row in dashboard.detections()} == committed,
            what="all detections are on the page",
        )
