from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from edgeclip_dashboard.cli import app
from edgeclip_dashboard.config import load_settings
from support.access_lists import documented_access, guarded_broker, user

FOLDER = Path(__file__).parents[2] / "examples/dashboard"
COMPOSE = (FOLDER / "compose.yaml").read_text()


def test_the_settings_of_both_instances_are_taken() -> None:
    settings = load_settings(FOLDER / "dashboard.toml", {"dashboard_id": "west"})
    assert settings.broker.shared_group == "rangers"
    assert settings.store.database.startswith("postgresql")


def test_the_instances_start_with_options_that_there_are() -> None:
    commands = re.findall(r"command: edgeclip-dashboard serve (.+)", COMPOSE)
    serve = get_command(app).get_command(None, "serve")  # type: ignore[attr-defined]  # a group, to typer too
    names = []
    for command in commands:
        names.append(serve.make_context("serve", command.split()).params["dashboard_id"])
    assert names == ["west", "east"]


def test_every_file_that_is_mounted_is_there() -> None:
    mounted = re.findall(r"- \./([a-z.]+):", COMPOSE)
    assert {name for name in mounted if not (FOLDER / name).exists()} == {"secrets"}


def test_the_access_list_is_that_of_the_documentation() -> None:
    lines = re.findall("^pattern .+$", (FOLDER / "mosquitto.acl").read_text(), re.MULTILINE)
    assert "\n".join(lines) == documented_access()


@pytest.mark.broker
def test_a_device_writes_its_own_topics_alone(tmp_path: Path) -> None:
    own, other = ("edgeclip/v1/demo/" + name for name in ("ridge", "valley"))
    with guarded_broker(tmp_path, "ridge", "valley") as broker, user(broker, "ridge") as ridge:
        assert ridge.may_publish(f"{own}/up/detection/alert", b"{}")
        for topic in (
            f"{other}/up/detection/alert",
            f"{other}/down/command/restart",
            f"{own}/down/receipt",
            f"{own}/down/command/restart",
            "edgeclip/v1/demo/dashboard/status",
        ):
            assert not ridge.may_publish(topic, b"{}"), topic


@pytest.mark.broker
def test_a_device_hears_its_own_receipts_alone_and_the_dashboard_hears_its_share(
    tmp_path: Path,
) -> None:
    own, other = ("edgeclip/v1/demo/" + name for name in ("ridge", "valley"))
    with (
        guarded_broker(tmp_path, "ridge", "valley") as broker,
        user(broker, "ridge") as ridge,
        user(broker, "dashboard") as dashboard,
    ):
        dashboard.subscribe("$share/rangers/edgeclip/v1/demo/+/up/detection/#")
        ridge.subscribe("edgeclip/v1/demo/#")
        assert ridge.may_publish(f"{own}/up/detection/alert", b"seen")
        assert dashboard.may_publish(f"{other}/down/receipt", b"not for ridge")
        assert dashboard.may_publish(f"{own}/down/receipt", b"for ridge")
        assert dashboard.received.get(timeout=20)[1] == b"seen"
        assert ridge.received.get(timeout=20) == (f"{own}/down/receipt", b"for ridge")
