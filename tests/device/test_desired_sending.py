from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from edgeclip.contract.commands import Envelope
from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import ConfigError, PublishError
from edgeclip_device.cli import app
from edgeclip_device.config import DeviceSettings
from edgeclip_device.desired import refuse_impossible
from edgeclip_device.uplink_thread import UplinkThread
from support.brokers import Broker
from support.commanders import Commander
from support.receivers import eventually, receiving

Make = Callable[..., DeviceSettings]
StartUplink = Callable[..., UplinkThread]
TOPICS = DeviceTopics("demo", "jetson-1")


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"motoin": {"masks": []}}, "motoin is not known: did you mean motion"),
        ({"power": {"mode": "windowed", "windows": ["6am"]}}, "'6am' is no window"),
        ({"camera": {"source": "0"}}, "camera.source cannot be set from afar"),
        ({"motion": {"min_blob_pct": 200.0}}, "less than or equal to 100"),
    ],
)
def test_a_state_that_no_device_would_take_is_refused_by_its_files_name(
    tables: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=f"^night.toml: .*{words}"):
        refuse_impossible(tables, Path("night.toml"))


@pytest.mark.parametrize(
    "tables",
    [
        {"power": {"mode": "windowed", "windows": ["sunset..sunrise"]}},
        {"power": {"mode": "triggered"}},
        {"visits": {"frames": 40}},
        {"visits": {"of": 2}},
        {"inference": {"thresholds": {"leopard": {"on": 0.01}}}},
    ],
    ids=str,
)
def test_what_a_device_may_take_by_its_own_tables_is_left_to_it(tables: dict[str, object]) -> None:
    refuse_impossible(tables, Path("night.toml"))


def _desired(operator: Commander, broker: Broker, file: Path, *more: str) -> Result:
    whole = ["desired", str(file), "--device", "jetson-1", "--key", str(operator.key)]
    return CliRunner().invoke(app, [*whole, "--broker", broker.url, *more])


def _retained(broker: Broker) -> list[bytes]:
    """Return what the broker keeps as the device's desired state."""
    kept: list[bytes] = []
    with receiving(broker) as receiver:
        client = receiver._client
        client.message_callback_add(TOPICS.desired, lambda *got: kept.append(got[2].payload))
        client.subscribe(TOPICS.desired)
        eventually(lambda: kept, "the retained state")
    return kept


@pytest.mark.broker
def test_a_state_that_the_device_refuses_is_an_error_and_the_one_before_stays(
    make_settings: Make, broker: Broker, tmp_path: Path, start_uplink: StartUplink
) -> None:
    operator = Commander(tmp_path / "ranger")
    good, admins = tmp_path / "good.toml", tmp_path / "admins.toml"
    good.write_text("[motion]\nmasks = []\n")
    admins.write_text('[motion]\nalgorithm = "off"\n')
    with receiving(broker) as receiver:
        start_uplink(
            make_settings(mqtt={"url": broker.url}, commands={"operators": [operator.public]})
        )
        eventually(lambda: "online" in receiver.states, "the birth")
    said = _desired(operator, broker, good, "--wait-s", "3")  # no detect is there to end it
    assert said.exit_code == 0, said.output
    assert said.output.startswith("accepted: detect does not run")
    assert "no end within 3 s: the device takes it when it connects" in said.output
    refused = _desired(operator, broker, admins, "--wait-s", "30")
    assert isinstance(refused.exception, PublishError)
    assert "motion.algorithm cannot be set from afar by a key of role operator" in str(
        refused.exception
    )
    kept = Envelope.model_validate_json(_retained(broker)[0])
    assert json.loads(b64decode(kept.payload))["args"] == {"tables": {"motion": {"masks": []}}}
