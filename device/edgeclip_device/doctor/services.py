"""The services: are the units installed, enabled and at work?"""

from __future__ import annotations

from collections.abc import Iterable

from edgeclip_device.doctor.base import Finding, Patient, output_of
from edgeclip_device.field.unit_files import PACKAGED_FOLDER, UNITS_FOLDER

_JOURNAL_FILES = (
    "/etc/systemd/journald.conf.d/edgeclip.conf",
    "/usr/lib/systemd/journald.conf.d/edgeclip.conf",
)


def check_services(patient: Patient) -> Iterable[Finding]:
    """Judge the two units and the journal's bounds."""
    for job in ("detect", "uplink"):
        yield _unit(patient, f"edgeclip-{job}.service")
    if any(patient.tree.path(name).is_file() for name in _JOURNAL_FILES):
        yield Finding("journal", "ok", "bounded in size and rate")
    else:
        step = "sudo edgeclip-device install"
        yield Finding("journal", "warn", "not bounded: argus can fill a card with errors", step)


def _unit(patient: Patient, unit: str) -> Finding:
    check = unit.removesuffix(".service")
    folders = (UNITS_FOLDER, PACKAGED_FOLDER)
    if not any(patient.tree.path(f"{folder}/{unit}").is_file() for folder in folders):
        return Finding(check, "absent", "not installed", "sudo edgeclip-device install BUNDLE")
    state = output_of("systemctl", "show", "--property=ActiveState", "--value", unit)
    if not patient.is_this_machine or state is None:
        return Finding(check, "absent", "installed; systemd does not run here")
    if state.strip() == "active":
        return Finding(check, "ok", "active")
    step = f"journalctl -u {check} -n 50; sudo systemctl start {check}"
    return Finding(check, "fail", state.strip() or "unknown", step)
