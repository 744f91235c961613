"""What lies in a pack, or in a set of packs, for people and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from edgeclip.contract.attributes import read_attributes
from edgeclip.contract.pack import read_pack_manifest, utc_text
from edgeclip.routed_packs import gate_of
from edgeclip.set_files import parts_of, read_set
from edgeclip.teaching.account import taught_lines


def pack_facts(folder: Path) -> list[dict[str, Any]]:
    """Return of each pack what it is, as JSON values.

    Args:
        folder: A pack, or a set of packs; all hashes are checked.

    Raises:
        PackError: It is neither, or damaged.
    """
    return [{"name": name, "static": keys, **_facts(path)} for name, path, keys in parts_of(folder)]


def gate_facts(folder: Path) -> dict[str, Any] | None:
    """Return what the learned gate of a set is, as JSON values; None where prototypes choose.

    Raises:
        PackError: As for `pack_facts`, or the gate is damaged.
    """
    held = read_set(folder)
    if held.gate is None:
        return None
    manifest = gate_of(held.gate, read_pack_manifest(held.parts[0][1])).manifest
    return manifest.model_dump(mode="json", by_alias=True)


def _facts(folder: Path) -> dict[str, Any]:
    pack = read_pack_manifest(folder)
    asked = read_attributes(folder, pack)
    return {
        "task": pack.task,
        "version": pack.version,
        "created_at": utc_text(pack.created_at),
        "method": pack.method,
        "encoder": f"{pack.base.arch}, {pack.base.pretrained}",
        "classes": pack.class_names,
        "thresholds": {name: limits.model_dump() for name, limits in pack.thresholds.items()},
        "attributes": [group.model_dump(mode="json") for group in asked.groups] if asked else [],
        "taught": taught_lines(pack.metrics),
        "metrics": pack.metrics,
    }


def pack_table(facts: dict[str, Any]) -> Table:
    """Return one pack of `pack_facts`, a line a fact."""
    table = Table(show_header=False, box=None, title_justify="left", title=escape(facts["name"]))
    asked = {name: limits["on"] for name, limits in facts["thresholds"].items()}
    rows = {
        "pack": f"{facts['task']} {facts['version']}, {facts['created_at'][:10]}",
        "method": facts["method"],
        "encoder": facts["encoder"],
        "classes": ", ".join(facts["classes"]),
        "alerts on": ", ".join(f"{name} from {on:.3f}" for name, on in asked.items()),
        "taught": "; ".join(facts["taught"]),
        "asked in words": "; ".join(map(_asked, facts["attributes"])),
        "answers where": ", ".join(f"{key}={value}" for key, value in facts["static"].items()),
    }
    for name, text in rows.items():
        if text:
            table.add_row(name, escape(text))
    return table


def _asked(group: dict[str, Any]) -> str:
    """Return a group in a few words: how right it was measured to be, or that nobody knows."""
    found, state = group["measured"], "verified" if group["verified"] else "unverified"
    if found is None:
        return f"{group['name']} ({state})"
    right = "none" if found["told_accuracy"] is None else f"{found['told_accuracy']:.0%}"
    return (
        f"{group['name']} ({state}: {right} of {found['told']:.0%} told are right, ECE"
        f" {found['calibration_error']:.2f}, {found['images']} images)"
    )
