from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgeclip.contract.signing import make_key
from edgeclip_device.config import DeviceSettings
from edgeclip_device.config_faults import faults_of
from edgeclip_device.doctor.base import Patient
from edgeclip_device.doctor.tables import check_tables
from edgeclip_device.machine.tree import Tree
from support.processes import complete

Make = Callable[..., DeviceSettings]

STOPPING = [
    ('inference.bundle = "/nowhere"', "[inference].bundle: /nowhere holds no manifest.json: copy"),
    ('inference.public_keys = ["/no.pub"]', "[inference].public_keys: /no.pub is not there: copy"),
    ('commands.operators = ["/no.pub"]', "[commands].operators: /no.pub is not there: copy"),
    ('commands.admins = ["/no.pub"]', "[commands].admins: /no.pub is not there: copy"),
    ('privacy.public_key = "/no.pub"', "[privacy].public_key: /no.pub is not there: copy"),
    ("camera.watch = true", "[camera].time_zone is missing: a watched folder needs it: give"),
    ("visits.agreeing_pct = 0.6", "0.6 is 0.6 %: write 60 for 60%"),
    (
        "inference.thresholds.leopard = {on = 0.3, off = 0.6}",
        "[inference.thresholds].leopard: off <= on <= peak does not hold with off = 0.6, on = 0.3",
    ),
]


@pytest.mark.parametrize(("line", "words"), STOPPING, ids=[line for line, _ in STOPPING])
def test_check_config_fails_for_what_keeps_a_service_from_starting(
    tmp_path: Path, line: str, words: str
) -> None:
    file = tmp_path / "device.toml"
    file.write_text(f'state = "/var/lib/edgeclip"\n{line}\n')
    done = complete("check-config", file)
    assert done.returncode == 2
    assert str(file) in done.stderr
    assert words in " ".join(done.stderr.split())


def test_check_config_notes_what_has_no_effect(tmp_path: Path) -> None:
    file = tmp_path / "device.toml"
    file.write_text('[power]\nwindows = ["05:00-09:30"]\n')
    done = complete("check-config", file)
    assert done.returncode == 0
    assert 'note: [power].windows do nothing with mode = "continuous": write mode' in done.stdout
    assert "note: state = edgeclip-state depends on the folder in which" in done.stdout


def test_settings_with_all_that_they_need_have_no_fault(
    make_settings: Make, tmp_path: Path
) -> None:
    public = make_key(tmp_path / "team")
    settings = make_settings(
        inference={"public_keys": [public]},
        commands={"operators": [public]},
        camera={"watch": True, "time_zone": "+03:00"},
        power={"mode": "windowed", "windows": ["05:00-09:30"]},
    )
    assert faults_of(settings) == []


def _doctor(settings: DeviceSettings, tmp_path: Path) -> dict[str, tuple[str, str]]:
    findings = check_tables(Patient(settings, Tree(tmp_path)))
    return {finding.check: (finding.verdict, finding.found) for finding in findings}


@pytest.mark.parametrize(
    ("tables", "verdict"),
    [
        ({"camera": {"watch": True}}, "fail"),
        ({"power": {"windows": ["05:00-09:30"]}}, "warn"),
        ({}, "ok"),
    ],
)
def test_the_doctor_judges_the_configuration(
    make_settings: Make, tmp_path: Path, tables: dict[str, Any], verdict: str
) -> None:
    assert _doctor(make_settings(**tables), tmp_path)["configuration"][0] == verdict


def test_the_doctor_says_whose_commands_are_obeyed(make_settings: Make, tmp_path: Path) -> None:
    public = make_key(tmp_path / "team")
    with_key = make_settings(commands={"operators": [public]})
    without_file = make_settings(commands={"operators": [tmp_path / "no.pub"]})
    assert _doctor(with_key, tmp_path)["command keys"] == ("ok", "operators 1, admins 0")
    assert _doctor(without_file, tmp_path)["command keys"][0] == "fail"
    assert _doctor(make_settings(), tmp_path)["command keys"][0] == "absent"


def test_a_watched_folder_that_is_not_there_is_noted_and_starts(tmp_path: Path) -> None:
    file, folder = tmp_path / "device.toml", tmp_path / "incomming"
    file.write_text(f'[camera]\nsource = "{folder}"\nwatch = true\ntime_zone = "Africa/Nairobi"\n')
    done = complete("check-config", file)
    said = f"note: [camera].source: {folder} is no folder here, and is watched: make it"
    assert (done.returncode, said in done.stdout) == (0, True)
    folder.mkdir()
    assert "[camera].source" not in complete("check-config", file).stdout
