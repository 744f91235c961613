from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from edgeclip.contract.hashing import sha256_file
from edgeclip.errors import BundleDamagedError, ConfigError, SetupError
from edgeclip_device.field import installing
from edgeclip_device.field.installing import BUNDLE, CONFIG, InstallOptions, install, uninstall
from edgeclip_device.field.steps import Step, System
from edgeclip_device.field.unit_files import PROGRAM, UNITS, units_folder
from support.processes import complete


def _install(root: Path, bundle: Path | None = None, program: str = PROGRAM) -> list[Step]:
    return install(InstallOptions(bundle, root, Path(program)))


def _did(steps: list[Step]) -> set[str]:
    return {step.did for step in steps if step.did != "note"}


def _tree(root: Path) -> dict[str, str]:
    """Return every file and link of a folder with its content."""
    return {
        str(path.relative_to(root)): sha256_file(path) if path.is_file() else str(path.readlink())
        for path in root.rglob("*")
        if path.is_file() or path.is_symlink()
    }


@pytest.mark.systemd
def test_everything_is_installed_into_a_folder(tmp_path: Path, bundle: Path) -> None:
    _install(tmp_path, bundle)
    for unit in UNITS:
        assert (tmp_path / f"etc/systemd/system/{unit}").is_file()
    assert (tmp_path / "usr/lib/sysusers.d/edgeclip.conf").is_file()
    assert (tmp_path / "etc/systemd/journald.conf.d/edgeclip.conf").is_file()
    assert (tmp_path / BUNDLE.lstrip("/") / "manifest.json").is_file()
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    assert {path.name for path in wants.iterdir()} == {
        "edgeclip-detect.service",
        "edgeclip-uplink.service",
    }
    paths = tmp_path / "etc/systemd/system/paths.target.wants"
    assert "edgeclip-apply@reboot.path" in {path.name for path in paths.iterdir()}
    assert "edgeclip-detect" in (tmp_path / "etc/passwd").read_text()


@pytest.mark.systemd
def test_a_second_installation_changes_nothing(tmp_path: Path, bundle: Path) -> None:
    assert _did(_install(tmp_path, bundle)) == {"made"}
    before = _tree(tmp_path)
    assert _did(_install(tmp_path, bundle)) == {"kept"}
    assert _tree(tmp_path) == before


@pytest.mark.systemd
def test_the_state_folder_belongs_to_the_group(tmp_path: Path) -> None:
    _install(tmp_path)
    mode = stat.S_IMODE((tmp_path / "var/lib/edgeclip").stat().st_mode)
    assert mode == 0o2770


@pytest.mark.systemd
def test_a_configuration_that_is_there_is_kept(tmp_path: Path) -> None:
    config = tmp_path / CONFIG.lstrip("/")
    config.parent.mkdir(parents=True)
    config.write_text('device_id = "ridge"\n')
    steps = _install(tmp_path)
    assert config.read_text() == 'device_id = "ridge"\n'
    assert Step("kept", CONFIG) in steps


@pytest.mark.systemd
def test_the_first_configuration_is_valid_and_says_what_is_missing(tmp_path: Path) -> None:
    steps = _install(tmp_path)
    assert any("name camera and broker" in step.what for step in steps)
    checked = complete("check-config", tmp_path / CONFIG.lstrip("/"))
    wrong = [line for line in checked.stderr.splitlines() if "wrong" in line or "error" in line]
    assert checked.returncode == 2, checked.stdout  # the bundle lies below tmp_path, not at BUNDLE
    assert len(wrong) == 1, checked.stderr
    assert BUNDLE in wrong[0]


@pytest.mark.systemd
def test_a_new_bundle_replaces_the_old_and_takes_its_engines_along(
    tmp_path: Path, bundle: Path
) -> None:
    _install(tmp_path, bundle)
    there = tmp_path / BUNDLE.lstrip("/")
    (there / "engines").mkdir()
    (there / "engines/a.engine").write_bytes(b"engine")
    newer = tmp_path / "newer"
    shutil.copytree(bundle, newer)
    manifest = newer / "manifest.json"
    manifest.write_text(manifest.read_text() + "\n")
    assert Step("changed", BUNDLE) in _install(tmp_path, newer)
    assert (there / "engines/a.engine").read_bytes() == b"engine"


@pytest.mark.systemd
def test_a_damaged_bundle_leaves_the_one_that_is_there(tmp_path: Path, bundle: Path) -> None:
    _install(tmp_path, bundle)
    before = _tree(tmp_path / BUNDLE.lstrip("/"))
    damaged = tmp_path / "damaged"
    shutil.copytree(bundle, damaged)
    largest = max((p for p in damaged.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1])
    with pytest.raises(BundleDamagedError):
        _install(tmp_path, damaged)
    assert _tree(tmp_path / BUNDLE.lstrip("/")) == before


@pytest.mark.systemd
def test_a_wrong_configuration_is_named_before_a_bundle_is_copied(
    tmp_path: Path, bundle: Path
) -> None:
    config = tmp_path / CONFIG.lstrip("/")
    config.parent.mkdir(parents=True)
    config.write_text("devise_id = 'x'\n")
    with pytest.raises(ConfigError, match="did you mean device_id"):
        _install(tmp_path, bundle)
    assert not (tmp_path / BUNDLE.lstrip("/")).exists()


@pytest.mark.systemd
def test_the_units_name_the_program_that_installs_them(tmp_path: Path) -> None:
    steps = _install(tmp_path, program="/srv/venv/bin/edgeclip-device")
    unit = (tmp_path / "etc/systemd/system/edgeclip-detect.service").read_text()
    assert "ExecStart=/srv/venv/bin/edgeclip-device detect" in unit
    assert Step("note", "the units name /srv/venv/bin/edgeclip-device") in steps


def test_a_program_that_the_services_cannot_see_is_refused() -> None:
    with pytest.raises(SetupError, match="/opt/edgeclip/venv"):
        _install(Path("/"), program="/home/me/venv/bin/edgeclip-device")


@pytest.mark.systemd
def test_units_of_a_package_are_left_alone(tmp_path: Path) -> None:
    packaged = tmp_path / "usr/lib/systemd/system"
    packaged.mkdir(parents=True)
    for unit, source in UNITS.items():
        shutil.copy(units_folder() / source, packaged / unit)
    for name in ("sysusers", "tmpfiles"):
        target = tmp_path / f"usr/lib/{name}.d/edgeclip.conf"
        target.parent.mkdir(parents=True)
        shutil.copy(units_folder() / f"edgeclip.{name}.conf", target)
    _install(tmp_path)
    assert not (tmp_path / "etc/systemd/system/edgeclip-detect.service").exists()


def _stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Put a systemctl before the system's; return where it may write."""
    folder.mkdir()
    program = folder / "systemctl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder / "told"


def test_a_program_that_hangs_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stand_in(tmp_path / "bin", monkeypatch, "exec sleep 30")
    with pytest.raises(SetupError, match=r"`systemctl start x` failed .*timed out"):
        System(tmp_path, patience_s=0.2).run("systemctl", "start", "x")


def test_the_services_are_started_and_nobody_waits_for_a_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = _stand_in(tmp_path / "bin", monkeypatch, f'echo "$@" >> {tmp_path}/bin/told')
    installing._start(System(tmp_path), changed=True)
    assert "restart --no-block edgeclip-detect.service" in told.read_text()


@pytest.mark.systemd
def test_uninstall_leaves_configuration_and_outbox(tmp_path: Path, bundle: Path) -> None:
    _install(tmp_path, bundle)
    uninstall(tmp_path)
    left = {name for name in _tree(tmp_path) if "edgeclip" in name}
    assert all(name.startswith(("var/lib/edgeclip/", "etc/edgeclip/")) for name in left)
    assert (tmp_path / CONFIG.lstrip("/")).is_file()
    assert _did(uninstall(tmp_path)) == {"absent"}


def test_a_root_that_is_not_there_is_no_uninstallation(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"there is no folder .*nope: check --root"):
        uninstall(tmp_path / "nope")


@pytest.mark.systemd
def test_purge_leaves_nothing(tmp_path: Path, bundle: Path) -> None:
    _install(tmp_path, bundle)
    uninstall(tmp_path, purge=True)
    assert not (tmp_path / "run/edgeclip").exists()
    assert {name for name in _tree(tmp_path) if "edgeclip" in name} == set()
    assert "edgeclip" not in (tmp_path / "etc/passwd").read_text()
    assert "edgeclip" not in (tmp_path / "etc/group").read_text()


@pytest.mark.systemd
def test_the_command_says_each_step_and_the_next_one(tmp_path: Path, bundle: Path) -> None:
    done = complete("install", bundle, "--root", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "made     /etc/edgeclip/device.toml" in done.stdout
    assert "next: edgeclip-device doctor" in done.stdout
    gone = complete("uninstall", "--root", tmp_path)
    assert "removed  /etc/systemd/system/edgeclip-detect.service" in gone.stdout
