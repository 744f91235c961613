"""Programs that stand where `edgeclip teach` would, for what the dashboard does around it."""

from __future__ import annotations

import sys
from pathlib import Path

from edgeclip_dashboard.config_teaching import TeachingSettings


def teaching_by(path: Path, *lines: str, longest_s: float = 20.0) -> TeachingSettings:
    """Write a program of a few lines of Python, and return settings that name it."""
    path.write_text("\n".join([f"#!{sys.executable}", "import os, sys, time", *lines]))
    path.chmod(0o700)
    return TeachingSettings(program=path, longest_s=longest_s)
