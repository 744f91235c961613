"""Run benchmarks one after the other: those named, else all that end within minutes.

python -m benchmarks export device
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
HOURS = {"ablation_text", "casestudy", "deep", "fewshot", "fewshot_meta", "prompts", "realcase"}
"""Run by name alone: research on many seeds."""


def main() -> None:
    """Run each benchmark in an interpreter of its own, so that none warms another.

    Raises:
        SystemExit: A name is unknown, or a benchmark failed.
    """
    known = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
    names = sys.argv[1:] or [name for name in known if name not in HOURS]
    if unknown := sorted(set(names) - set(known)):
        raise SystemExit(f"no benchmark {', '.join(unknown)}: there are {', '.join(known)}")
    failed = []
    for name in names:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
