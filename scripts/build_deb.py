"""Build the Debian package of the device: its wheel, units and maintainer scripts.

    python scripts/build_deb.py [--out dist] [--wheels FOLDER]

With `--wheels` the wheels of a folder are packed along, for devices without a network:
`pip download --dest FOLDER '.[device]'` on a machine of the same kind fills it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "packaging/debian"
SCRIPTS = ("postinst", "prerm", "postrm")
VENV_PROGRAM = "/opt/edgeclip/venv/bin/edgeclip-device"

sys.path.insert(0, str(ROOT / "device"))  # the list of units is the installer's own

from edgeclip_device.field.unit_files import UNITS  # noqa: E402 - after the path


def main() -> None:
    """Build it, and say where it lies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the package")
    parser.add_argument("--wheels", type=Path, help="wheels to pack along")
    options = parser.parse_args()
    print(f"made {build(options.out, options.wheels)}")


def build(out: Path, wheels: Path | None = None) -> Path:
    """Return the package.

    Args:
        out: Folder that takes it, made if missing.
        wheels: Folder of wheels that are packed along.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder) / "stage"
        version = _put_wheel(stage)
        _put_units(stage)
        _put_documents(stage)
        if wheels is not None:
            for wheel in sorted(wheels.glob("*.whl")):
                _put(wheel, stage / "usr/share/edgeclip/wheels" / wheel.name)
        _put_control(stage, version)
        package = out / f"edgeclip-device_{version}_all.deb"
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(stage), str(package)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return package


def _put_wheel(stage: Path) -> str:
    """Build the wheel into the package, and return its version."""
    folder = stage / "usr/share/edgeclip"
    folder.mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("edgeclip-*.whl")
    wheel.chmod(0o644)
    program = stage / "usr/bin/edgeclip-device"
    program.parent.mkdir(parents=True)
    program.symlink_to(VENV_PROGRAM)
    return wheel.name.split("-")[1]


def _put_units(stage: Path) -> None:
    units = ROOT / "systemd"
    for name, source in UNITS.items():
        _put(units / source, stage / "usr/lib/systemd/system" / name)
    for kind in ("sysusers", "tmpfiles"):
        _put(units / f"edgeclip.{kind}.conf", stage / f"usr/lib/{kind}.d/edgeclip.conf")
    journal = stage / "usr/lib/systemd/journald.conf.d/edgeclip.conf"
    _put(units / "edgeclip.journald.conf", journal)


def _put_documents(stage: Path) -> None:
    folder = stage / "usr/share/doc/edgeclip-device"
    _put(ROOT / "LICENSE", folder / "copyright")
    for name in ("device/device.example.toml", "docs/device-setup.md", "systemd/README.md"):
        _put(ROOT / name, folder / Path(name).name)


def _put_control(stage: Path, version: str) -> None:
    folder = stage / "DEBIAN"
    folder.mkdir()
    text = (SOURCES / "control").read_text().replace("@VERSION@", version)
    (folder / "control").write_text(text)
    for name in SCRIPTS:
        _put(SOURCES / name, folder / name, mode=0o755)


def _put(source: Path, target: Path, *, mode: int = 0o644) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


if __name__ == "__main__":
    main()
