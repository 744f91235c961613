from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.brokers import free_port


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeclip_dashboard.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_both_commands() -> None:
    done = _run("--help")
    assert done.returncode == 0
    assert "serve" in done.stdout
    assert "broker" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(("--broker", "http://x"), "a broker is mqtt://HOST", id="scheme"),
        pytest.param(("--broker", "mqtt://x:y"), "--broker: a broker's port is", id="broker port"),
        pytest.param(("--broker", "mqtt://u:s3cret@x"), "no credentials", id="credentials"),
        pytest.param(("--project", "My Reserve"), "project", id="project"),
        pytest.param(("--protocol", "4"), "error: --protocol: ", id="protocol"),
        pytest.param(("--port", "99999"), "error: --port: ", id="port"),
        pytest.param(("--config", "absent.toml"), "absent.toml: cannot be read", id="file"),
        pytest.param(("--database", "x://u:s3cret@h/d"), "holds a password", id="password"),
    ],
)
def test_a_wrong_option_is_one_line_without_secrets(options: tuple[str, ...], message: str) -> None:
    done = _run("serve", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "s3cret" not in done.stderr


def test_a_media_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    places = ("--database", str(tmp_path / "d.sqlite"), "--media", str(tmp_path / "file/media"))
    done = _run("serve", *places, "--port", "0", "--broker", f"mqtt://127.0.0.1:{free_port()}")
    assert done.returncode == 4
    assert "choose another --media" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_host_that_is_not_ours_is_one_line(tmp_path: Path) -> None:
    done = _run("serve", "--host", "192.0.2.1", "--database", str(tmp_path / "d.sqlite"),
                "--media", str(tmp_path / "media"))  # fmt: skip
    assert done.returncode == 4
    assert "cannot listen on 192.0.2.1" in done.stderr


def test_the_embedded_broker_says_when_its_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = _run("broker", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 4
    assert "choose another --port" in done.stderr
    assert "Traceback" not in done.stderr
