"""All checks in order, as a table or JSON, and the exit code that follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from edgeclip.errors import SetupError
from edgeclip_device.doctor.base import Check, Finding, Patient
from edgeclip_device.doctor.board import check_clock, check_power
from edgeclip_device.doctor.broker import check_broker
from edgeclip_device.doctor.camera import check_camera
from edgeclip_device.doctor.engine import check_bundle
from edgeclip_device.doctor.identity import check_identity
from edgeclip_device.doctor.services import check_services
from edgeclip_device.doctor.storage import check_disk, check_outbox
from edgeclip_device.doctor.tables import check_tables
from edgeclip_device.doctor.vision import check_opencv, check_watchdog_element

CHECKS: tuple[Check, ...] = (
    check_tables,
    check_opencv,
    check_watchdog_element,
    check_bundle,
    check_camera,
    check_clock,
    check_power,
    check_disk,
    check_outbox,
    check_identity,
    check_broker,
    check_services,
)
_MARKS = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "fail": "[red]✗[/]", "absent": "-"}


def examine(patient: Patient, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Return what all checks find, in order."""
    return [finding for check in checks for finding in check(patient)]


def table_of(findings: Sequence[Finding]) -> Table:
    """Return a line for each check, with what to do."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column()
    for finding in findings:
        text = escape(finding.found)
        if finding.next_step:
            text += f"\n  [bold]→[/] {escape(finding.next_step)}"
        table.add_row(_MARKS[finding.verdict], finding.check, text)
    return table


def facts_of(patient: Patient, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return everything for machines."""
    return {
        "device_id": patient.settings.device_id,
        "board": patient.model,
        "passed": not any(finding.verdict == "fail" for finding in findings),
        "checks": [
            {
                "check": finding.check,
                "verdict": finding.verdict,
                "found": finding.found,
                "next_step": finding.next_step or None,
            }
            for finding in findings
        ],
    }


def require_all(findings: Sequence[Finding]) -> None:
    """Raise for the first check that fails.

    Raises:
        SetupError: With the number of all that fail, and what to do first.
    """
    failed = [finding for finding in findings if finding.verdict == "fail"]
    if failed:
        first = failed[0]
        raise SetupError(
            f"{len(failed)} of {len(findings)} checks fail, first {first.check}: {first.found}:"
            f" {first.next_step}"
        )
