from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

from edgeclip.errors import ConfigError, SetupError
from edgeclip_device.clock import boot_id
from edgeclip_device.field import requests
from edgeclip_device.field.requests import REQUESTS, apply, ask


class Runner:
    """Runs nothing, and remembers what it should have."""

    def __init__(self, code: int = 0) -> None:
        self.ran: list[list[str]] = []
        self._code = code

    def __call__(self, command: Sequence[str]) -> int:
        self.ran.append(list(command))
        return self._code


@pytest.mark.parametrize("request_name", REQUESTS)
def test_a_request_is_done_once(tmp_path: Path, request_name: requests.Request) -> None:
    run = Runner()
    assert ask(request_name, "camera: no frame", tmp_path)
    said = apply(request_name, folder=tmp_path, state=tmp_path / "state", run=run)
    assert said == f"{request_name} done: camera: no frame"
    assert run.ran[0][0] == "systemctl"
    again = apply(request_name, folder=tmp_path, state=tmp_path / "state", run=run)
    assert (again, len(run.ran)) == (f"nobody asks for {request_name}", 1)


def test_a_restart_does_not_wait_until_the_service_is_ready(tmp_path: Path) -> None:
    run = Runner()
    ask("restart-detect", "test", tmp_path)
    apply("restart-detect", folder=tmp_path, state=tmp_path / "state", run=run)
    assert "--no-block" in run.ran[0]


def test_without_the_units_nobody_hears_a_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert not ask("reboot", "test", tmp_path / "none")
    assert "install the units" in caplog.text


def test_what_is_no_request_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rm").write_text("{}")
    with pytest.raises(ConfigError, match="rm is no request: there are restart-nvargus"):
        apply("rm", folder=tmp_path, state=tmp_path, run=Runner())


def test_a_link_is_no_request_and_is_removed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "reboot").symlink_to(secret)
    run = Runner()
    with pytest.raises(SetupError, match="is no request"):
        apply("reboot", folder=tmp_path, state=tmp_path, run=run)
    assert (run.ran, secret.read_text()) == ([], "secret")
    assert not (tmp_path / "reboot").is_symlink()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"why": 1}', "x" * 10_000])
def test_a_request_that_cannot_be_read_is_done_without_a_reason(tmp_path: Path, text: str) -> None:
    (tmp_path / "restart-detect").write_text(text)
    said = apply("restart-detect", folder=tmp_path, state=tmp_path, run=Runner())
    assert said == "restart-detect done: no reason given"


def test_a_request_that_fails_is_not_tried_again(tmp_path: Path) -> None:
    ask("restart-nvargus", "camera: gone", tmp_path)
    with pytest.raises(SetupError, match="ended with 5"):
        apply("restart-nvargus", folder=tmp_path, state=tmp_path, run=Runner(5))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("reason", "up_s", "runs"),
    [
        ("camera: gone", 3600.0, 1),
        ("camera: gone", 22_000.0, 2),
        ("command of admin", 300.0, 1),
        ("command of admin", 3600.0, 2),
    ],
)
def test_a_reboot_soon_after_the_last_one_is_refused(
    tmp_path: Path, reason: str, up_s: float, runs: int
) -> None:
    state = tmp_path / "state"
    ask("reboot", "camera: gone", tmp_path)
    run = Runner()
    apply("reboot", folder=tmp_path, state=state, run=run)
    assert (state / "rebooted-from").read_text().strip() == boot_id()
    (state / "rebooted-from").write_text("018bcfe5-6800-79d7-baa4-4201ea1b234f\n")  # after it
    ask("reboot", reason, tmp_path)
    refusal = pytest.raises(SetupError, match="no reboot") if runs == 1 else nullcontext()
    with refusal:
        apply("reboot", folder=tmp_path, state=state, run=run, up_s=up_s)
    assert len(run.ran) == runs


def test_the_reason_is_cut_to_what_is_read_again(tmp_path: Path) -> None:
    ask("restart-uplink", "x" * 9000, tmp_path)
    assert len(json.loads((tmp_path / "restart-uplink").read_text())["reason"]) == 1000
