"""The Debian package: what is in it, and what its scripts do, run for real in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeclip_device.field.unit_files import UNITS
from scripts.build_deb import build

pytestmark = [pytest.mark.deb, pytest.mark.slow]
USERS = "edgeclip-detect"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, with one wheel packed along."""
    folder = tmp_path_factory.mktemp("deb")
    (folder / "wheels").mkdir()
    (folder / "wheels/other-1.0-py3-none-any.whl").write_bytes(b"")
    return build(folder, folder / "wheels")


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder into which the package was unpacked, scripts beside it in DEBIAN."""
    root = tmp_path_factory.mktemp("root")
    subprocess.run(["dpkg-deb", "-R", str(package), str(root)], check=True)
    return root


def _contents(package: Path) -> dict[str, str]:
    """Return each file's rights and owner, by its path."""
    done = subprocess.run(
        ["dpkg-deb", "-c", str(package)], check=True, capture_output=True, text=True
    )
    rows = [line.split(maxsplit=5) for line in done.stdout.splitlines()]
    return {row[5].split(" -> ")[0].lstrip("."): f"{row[0]} {row[1]}" for row in rows}


def _run(root: Path, script: str, *arguments: str, **environment: str) -> None:
    subprocess.run(
        [str(root / "DEBIAN" / script), *arguments],
        check=True,
        env={**os.environ, "DPKG_ROOT": str(root), **environment},
    )


def test_its_fields_are_read_by_dpkg(package: Path) -> None:
    def field(name: str) -> str:
        done = subprocess.run(
            ["dpkg-deb", "-f", str(package), name], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    assert field("Package") == "edgeclip-device"
    assert field("Architecture") == "all"
    assert "python3-venv" in field("Depends")
    assert "opencv" not in field("Depends")


def test_it_holds_wheel_units_and_documents_and_nothing_else(package: Path) -> None:
    files = {name for name, rights in _contents(package).items() if rights[0] != "d"}
    assert {f"/usr/lib/systemd/system/{unit}" for unit in UNITS} <= files
    assert any(name.startswith("/usr/share/edgeclip/edgeclip-") for name in files)
    assert "/usr/share/edgeclip/wheels/other-1.0-py3-none-any.whl" in files
    assert "/usr/bin/edgeclip-device" in files
    places = ("/usr/lib/s", "/usr/lib/tmpfiles.d/", "/usr/share/edgeclip/", "/usr/share/doc/")
    assert [n for n in files if not n.startswith((*places, "/usr/bin/"))] == []


def test_nothing_of_the_systems_python_is_in_it(package: Path) -> None:
    assert [n for n in _contents(package) if "dist-packages" in n or "cv2" in n] == []


def test_everything_belongs_to_root(package: Path) -> None:
    assert {rights.split()[1] for rights in _contents(package).values()} == {"root/root"}


@pytest.mark.systemd
def test_its_scripts_make_a_venv_of_its_own_and_take_it_away(unpacked: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("maintainer scripts run as root")
    (unpacked / "usr/share/edgeclip/wheels/other-1.0-py3-none-any.whl").unlink()
    # dependencies come from a network, which tests do not have
    _run(unpacked, "postinst", "configure", EDGECLIP_PYTHON=sys.executable,
         PIP_NO_DEPS="1", PIP_NO_INDEX="1")  # fmt: skip
    program = unpacked / "opt/edgeclip/venv/bin/edgeclip-device"
    assert program.is_file()
    config = (unpacked / "opt/edgeclip/venv/pyvenv.cfg").read_text()
    assert "include-system-site-packages = true" in config
    assert USERS in (unpacked / "etc/passwd").read_text()
    assert (unpacked / "var/lib/edgeclip").is_dir()
    _run(unpacked, "prerm", "remove")
    _run(unpacked, "postrm", "remove")
    assert not (unpacked / "opt/edgeclip").exists()
    assert (unpacked / "etc/edgeclip").is_dir()
    _run(unpacked, "postrm", "purge")
    assert not (unpacked / "etc/edgeclip").exists()


def test_an_upgrade_takes_nothing_away(unpacked: Path, tmp_path: Path) -> None:
    outbox = tmp_path / "var/lib/edgeclip/outbox.sqlite"
    outbox.parent.mkdir(parents=True)
    outbox.write_bytes(b"detections")
    for script in ("prerm", "postrm"):
        subprocess.run(
            [str(unpacked / "DEBIAN" / script), "upgrade", "0.2.0"],
            check=True,
            env={**os.environ, "DPKG_ROOT": str(tmp_path)},
        )
    assert outbox.read_bytes() == b"detections"
