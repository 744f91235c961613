from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from edgeclip.contract.settings import read_toml
from edgeclip.errors import ConfigError
from edgeclip_device.config import DeviceSettings, load_settings

EXAMPLE = Path(__file__).parents[2] / "device/device.example.toml"
NO_DEFAULT = {
    "mqtt.session_expiry_s",
    "camera.source",
    "camera.width",
    "camera.height",
    "camera.fps",
    "camera.sensor_mode",
    "camera.pipeline",
    "camera.time_zone",
    "clock.gnss_file",
    "camera.strip_top_px",
    "camera.strip_bottom_px",
    "inference.bundle",
    "inference.task",
    "mqtt.url",
    "power.latitude",
    "power.longitude",
    "power.nvpmodel",
    "power.trigger",
    "uplink.daily_mb",
    "location.latitude",
    "location.longitude",
    "privacy.public_key",
    "router.fallback",
    "router.gate",
}
BY_CLASS = {"inference.thresholds", "location.classes"}
NOT_THE_DEFAULT = {
    "device_id", "state", "mqtt.ca_file", "mqtt.certificate_file", "mqtt.key_file",
    "inference.thresholds", "location.classes",
}  # fmt: skip


def _load(tmp_path: Path, text: str, **options: Any) -> DeviceSettings:
    file = tmp_path / "device.toml"
    file.write_text(text)
    return load_settings(file, options)


def _keys(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Return each key of a settings model, dotted, with its default."""
    found: dict[str, Any] = {}
    for name, item in model.model_fields.items():
        kind = item.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= _keys(kind, f"{prefix}{name}.")
        else:
            found[prefix + name] = item.get_default(call_default_factory=True)
    return found


def _flat(tables: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tables.items():
        if isinstance(value, dict) and prefix + name not in BY_CLASS:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def test_without_a_file_the_defaults_apply() -> None:
    settings = load_settings(None, {})
    assert settings.project == "demo"
    assert settings.camera.max_fps == 5.0
    assert settings.mqtt.url is None


def test_an_option_goes_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    text = 'project = "ridge"\n[camera]\ncamera_id = "north"\nmax_fps = 2\n'
    settings = _load(tmp_path, text, camera={"camera_id": "south", "max_fps": None})
    assert (settings.project, settings.camera.camera_id) == ("ridge", "south")
    assert settings.camera.max_fps == 2


def test_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"\[motion\]\.min_blob_pc is not known: did you mean min_blob_pct"
    ):
        _load(tmp_path, "[motion]\nmin_blob_pc = 1.0\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[camera]\nmax_fps = "5"\n', "max_fps"),
        ("[camera]\nmax_fps = 0\n", "greater than 0"),
        ("[mqtt]\nkeepalive_s = 1\n", "keepalive_s"),
        ('[inference]\nbackend = "gpu"\n', "backend"),
        ("device_id = 'North Camera'\n", "device_id"),
        ("[inference.thresholds.leopard]\non = 1.5\n", "less than or equal to 1"),
        ("[visits]\nframes = 4\nof = 3\n", "toml: visits: frames = 4 of 3 can never agree"),
        ("[motion]\nmasks = [[[0.0, 0.0], [1.0, 1.0]]]\n", "three points"),
        ("[motion]\nmasks = [[[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]]]\n", "less than or equal to 1"),
        ('[mqtt]\nurl = "http://broker"\n', "mqtt://HOST"),
        ('[mqtt]\nurl = "mqtt://me:secret@broker"\n', "no credentials"),
        ('[mqtt]\nurl = "mqtt://broker:99999"\n', "Port out of range"),
        ('[camera]\nsource = ""\n', "source"),
        ("[motion]\nzones = [[[0.0, 0.0], [1.0, 1.0]]]\n", "three points"),
        ('[privacy]\nhuman_policy = "keep_encrypted"\n', "needs a public_key"),
        ('[privacy]\nhuman_policy = "show"\n', "human_policy"),
        ("[location]\nlatitude = 1.0\n", "belong together"),
        ('[location.classes.leopard]\nmode = "exact"\n', "there is no latitude"),
        ('[location.classes.leopard]\nmode = "generalised"\n', "precision_deg and mode"),
        (
            '[location.classes.leopard]\nmode = "generalised"\nprecision_deg = 0.5\n',
            "0.5 is no grid: there are 1.0, 0.1, 0.01, 0.001",
        ),
        ('[router]\nfallback = "fox"\n', "none of the packs"),
        ('[router]\npacks = [{task = "a"}, {task = "a"}]\n', "stands twice"),
        ('[router]\ngate = "learned"\nask = "all"\n', "chooses, and ask"),
        ('[camera]\ntime_zone = "Mars/Olympus"\n', "Mars/Olympus is no time zone here"),
        ("camera = 3\n", "camera"),
        ('source = "clip.mp4"\n', r"source is not known: did you mean \[camera\]\.source\?"),
        ("[motion]\nmasks = [[[0, 0], [1, 0], [1, 2]]]\n", r"\[motion\]\.masks\[0\]\[2\]\[1\]: "),
        ("[inference]\nbundle = 3\n", "is no path: write one in quotes, found 3"),
        ('project = "A B"\n', r"project: is not of the form \[a-z0-9-\]\{1,32\}, found 'A B'"),
        ("= 3\n", "not valid TOML"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        _load(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "none.toml", {})


@pytest.mark.parametrize(
    "text",
    [
        '[camera]\nsource = "rtsp://me:hunter2@camera/1"\n',
        '[camera]\nsource = ["rtsp://me:hunter2@camera/1"]\n',
        "[camera]\npipeline = ['rtspsrc user-pw=hunter2 ! appsink']\n",
        '[mqtt]\nurl = "mqtt://me:hunter2@broker"\n',
        '[mqtt]\nurl = "mqtt://me:a@/hunter2@broker"\n',
        '[mqtt]\nurl = "http://me:hunter2@broker"\n',
        'mqtt = "mqtt://me:hunter2@broker"\n',
    ],
)
def test_a_password_in_the_file_is_refused_by_the_files_name_and_not_repeated(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(ConfigError, match=r"device\.toml: ") as caught:
        _load(tmp_path, text)
    assert "hunter2" not in str(caught.value)


def test_a_pipeline_takes_its_password_from_the_credentials_alone() -> None:
    pipeline = "rtspsrc location=rtsp://camera user-id={username} user-pw=%s ! appsink"
    with pytest.raises(ConfigError, match=r"\[camera\]\.pipeline holds a password"):
        load_settings(None, {"camera": {"pipeline": pipeline % "hunter2"}})
    settings = load_settings(None, {"camera": {"pipeline": pipeline % "{password}"}})
    assert settings.camera.pipeline == pipeline % "{password}"


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    certificate = tmp_path / "device.pem"
    certificate.write_text("")
    with pytest.raises(ConfigError, match="belong together"):
        load_settings(None, {"mqtt": {"certificate_file": certificate}})


def test_a_certificate_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"\[mqtt\]\.ca_file: .*none\.pem is not a file"):
        load_settings(None, {"mqtt": {"ca_file": Path("none.pem")}})


def _example(tmp_path: Path) -> dict[str, Any]:
    """Return the example's tables with all that is switched off in it switched on."""
    file = tmp_path / "whole.toml"
    file.write_text(re.sub(r"(?m)^#(?=\S)", "", EXAMPLE.read_text()))
    return _flat(read_toml(file))


def test_the_example_as_it_is_changes_nothing_but_the_state_folder() -> None:
    assert load_settings(EXAMPLE, {}) == DeviceSettings(state=Path("/var/lib/edgeclip"))


def test_the_example_holds_every_key_and_no_other(tmp_path: Path) -> None:
    assert set(_example(tmp_path)) == set(_keys(DeviceSettings))


def test_the_example_states_the_defaults(tmp_path: Path) -> None:
    example, defaults = _example(tmp_path), _keys(DeviceSettings)
    for key in set(example) - NO_DEFAULT - NOT_THE_DEFAULT:
        assert example[key] == defaults[key], key
    assert {defaults[key] for key in NO_DEFAULT} == {None}


def test_every_key_of_the_example_has_a_comment_before_it() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if " = " in line and not line.startswith("# "):
            above = lines[number - 1]
            assert above.startswith("# ") or " = " in above, line


def test_every_key_has_a_description() -> None:
    def undescribed(model: type[BaseModel]) -> list[str]:
        missing = []
        for name, item in model.model_fields.items():
            kind = item.annotation
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                missing += undescribed(kind)
            elif not item.description:
                missing.append(name)
        return missing

    assert undescribed(DeviceSettings) == []
