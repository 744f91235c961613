"""The whole length on one machine: images in, an alert on a page out.

    python examples/demo.py [--serve] [--out DIR] [--seed N]

Every step is the command that a user would type, and is printed as such. Exit code 0 only if the
clip with the leopard raised its alert on the page and the clip with moving foliage raised none.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path

from rich.console import Console

from demo_page import Page
from demo_result import TARGET, Result, Watched
from demo_steps import Commands, broker_for, free_port, seconds
from edgeclip.errors import ConfigError, GateError, run_command_line

ROOT = Path(__file__).parents[1]
CLIPS = (("foliage", 0), ("leopard-night", 1))  # what each clip shows, and how often a leopard
MARKER = ".edgeclip-demo"  # only a folder that the demo made is ever emptied
SPECIES = (TARGET, "lion", "spotted hyena", "impala")  # what the leopard is told apart from
PLACES = "20"
STRIP_PX = "24"  # the burned-in text of the drawn frames


def main() -> None:
    """Run the demo with the options of the command line.

    Raises:
        GateError: What was expected did not arrive, or something else did.
    """
    options = _options()
    console = Console()
    started = time.monotonic()
    commands = Commands(_emptied(options.out.resolve()), console)
    result = _learn(commands, str(options.seed))
    with broker_for(commands, free_port()) as broker, Page(commands, broker, free_port()) as page:
        result.broker = f"{broker.name}, MQTT {broker.protocol}"
        with page.open_in_browser():
            result.clips = [_watch(commands, page, name, count) for name, count in CLIPS]
        picture = page.screenshot(commands.out / "live.png")
        result.seconds = time.monotonic() - started
        problems = result.problems()
        _report(console, result, commands.out, picture)
        if options.serve:
            console.print(f"The page stays open at {page.url}; Ctrl-C ends it.", style="bold")
            page.wait()
    if problems:
        raise GateError("; ".join(problems))


def _report(console: Console, result: Result, out: Path, picture: Path | None) -> None:
    console.print()
    console.print(result.table())
    console.print(f"report: {out / 'pack/report/index.html'}", highlight=False)
    console.print(f"the page: {picture or 'no chromium here, so no picture'}", highlight=False)
    for problem in result.problems():
        console.print(problem, style="bold red")
    if not result.problems():
        console.print("All that was expected arrived, and nothing else.", style="bold green")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="From rendered images to an alert on a page.")
    parser.add_argument("--serve", action="store_true", help="leave the page open at the end")
    parser.add_argument("--out", type=Path, default=ROOT / "demo-output", help="is emptied first")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _emptied(out: Path) -> Path:
    """Return a new folder, in the place of an earlier demo's if there is one.

    Raises:
        ConfigError: It is a file, or holds something that no demo made.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file: name a folder for --out")
    if out.exists() and any(out.iterdir()) and not (out / MARKER).exists():
        raise ConfigError(f"{out} holds files that are not a demo's: name another --out")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / MARKER).touch()
    return out


def _learn(commands: Commands, seed: str) -> Result:
    out = commands.out
    images, pack, bundle = out / "images", out / "pack", out / "bundle"
    commands.run(
        f"Draw labelled images of {PLACES} places",
        *("edgeclip", "data", "render", images, "--locations", PLACES, "--images", "72"),
        *(word for name in SPECIES for word in ("--species", name)),
        *("--seed", seed),
    )
    training = commands.run(
        "Train an adapter on the frozen small CLIP",
        *("edgeclip", "train", "--data", images / "labels.csv", "--target", TARGET),
        *("--backbone", "demo", "--strip-bottom-px", STRIP_PX, "--seed", seed, "--out", pack),
        *("--cache", out / "features", "--budget-minutes", "0"),
        *("--views", "4", "--folds", "3"),  # quicker, and here no worse
    )
    commands.run(
        "Export encoder and adapter as one graph",
        *("edgeclip-export", "bundle", "--pack", pack, "--out", bundle),
    )
    manifest = json.loads((bundle / "manifest.json").read_text())
    return Result(training["metrics"], manifest["parity"])


def _watch(commands: Commands, page: Page, name: str, expected: int) -> Watched:
    out = commands.out
    clip = out / f"{name}.mp4"
    commands.run(f"Draw the clip {name}", "edgeclip", "data", "clip", clip, "--scene", name)
    with page.watching() as arrivals:
        replay = commands.run(
            f"Watch {name} in its own time",
            *("edgeclip-device", "replay", clip, "--bundle", out / "bundle", "--speed", "1"),
            *("--broker", page.broker.url, "--protocol", page.broker.protocol),
            *("--strip-bottom-px", STRIP_PX, "--device-id", "demo-jetson", "--camera-id", name),
            *("--deployment-id", "river-bend", "--project", page.project),
            *("--state", out / f"state-{name}"),
        )
    to_page_s = [
        arrivals[row["detection"]["detection_id"]] - seconds(row["read_at"])
        for row in replay["detections"]
        if row["detection"]["detection_id"] in arrivals
    ]
    return Watched(name, expected, replay, set(arrivals), to_page_s)


if __name__ == "__main__":
    run_command_line(main)
