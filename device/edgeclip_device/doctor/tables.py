"""The configuration: what each value alone does not show, and whose commands are obeyed."""

from __future__ import annotations

from collections.abc import Iterable

from edgeclip_device.config_faults import command_key_faults, table_faults
from edgeclip_device.doctor.base import Finding, Patient, Verdict


def check_tables(patient: Patient) -> Iterable[Finding]:
    """Judge the configuration's keys beside each other, and the keys of commands."""
    faults = sorted(table_faults(patient.settings), key=lambda fault: not fault.stops)
    if faults:
        found = "; ".join(fault.found for fault in faults)
        verdict: Verdict = "fail" if faults[0].stops else "warn"
        yield Finding("configuration", verdict, found, faults[0].next_step)
    else:
        yield Finding("configuration", "ok", "its keys fit together")
    yield _command_keys(patient)


def _command_keys(patient: Patient) -> Finding:
    commands = patient.settings.commands
    for fault in command_key_faults(patient.settings):
        return Finding("command keys", "fail", fault.found, fault.next_step)
    if not commands.operators and not commands.admins:
        return Finding("command keys", "absent", "none: no command is obeyed")
    found = f"operators {len(commands.operators)}, admins {len(commands.admins)}"
    return Finding("command keys", "ok", found)
