"""Options without an effect, and values that cannot be meant, are refused before torch loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgeclip.kinds import KINDS
from edgeclip.makers import MAKERS

_SCRIPT = """
import sys
from edgeclip import cli
sys.argv[0] = "edgeclip"
try:
    cli.main()
finally:
    print("torch" in sys.modules, "open_clip" in sys.modules)
"""


def _command(*arguments: object) -> tuple[int, str]:
    """Return exit code and error of the command, which must not have loaded torch."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "False False\n"
    return done.returncode, done.stderr


def _train(table: Path, tmp_path: Path, *more: object) -> tuple[int, str]:
    usual = ("train", "--out", tmp_path / "pack", "--backbone", "demo")
    return _command(*usual, "--data", table, *more)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--method", "vizual"), 2, "'vizual' is not known: did you mean visual?"),
        (("--data", "nowhere"), 6, "nowhere: no such folder or file: name a folder of images or"),
        (("--on", "nowhere"), 5, "there is no folder nowhere: check the path, or make"),
        (("--split", "nowhere.csv"), 6, "nowhere.csv"),
        (("--allow-random-split",), 2, "--allow-random-split is for the table of --split"),
        (("--method", "gda", "--text-samples"), 2, "--text-samples teach what takes gradient"),
        (("--method", "zero-shot", "--text-samples"), 2, "and zero-shot takes none"),
        (("--method", "visual+head", "--xmodal", "random"), 2, "--xmodal random is for xmodal and"),
        (("--method", "block", "--tuned-blocks", "2"), 2, "--tuned-blocks 2 is for ln, lora, svd"),
        (("--method", "visual", "--prompt-rate", "0.01"), 2, "--prompt-rate 0.01 is for prompt,"),
        (("--tuned-blocks", "2"), 2, "and auto has none of them: leave it out"),
        (("--pseudo-labels", "0.95"), 2, "--pseudo-labels 0.95 is for the frames of --unlabelled"),
        (("--unlabelled", "nowhere"), 2, "--unlabelled nowhere: nothing lies there"),
        (("--unlabelled", ".", "--method", "gda"), 2, "--unlabelled teaches what takes gradient"),
        (("--unlabelled", ".", "--steps", "0"), 2, "and auto takes none: leave it out"),
        (("--attributes", "usul"), 2, "--attributes usul is no file: did you mean usual?"),
        (("--attributes", "usual", "--method", "lora+gda"), 2, "lora of lora+gda changes them"),
        (("--attributes", "usual", "--method", "block"), 2, "block of block changes them"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_training_refuses_in_one_line(
    options: tuple[str, ...], code: int, message: str, table: Path, tmp_path: Path
) -> None:
    found, error = _train(table, tmp_path, *options)
    assert (found, error.count("\n")) == (code, 1), error
    assert error.startswith("error: ")
    assert message in error


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--baseline", "resnet5"), 2, "--baseline resnet5 is not known: use zero-shot, linear"),
        (("--use-split",), 2, "--use-split says how a training splits: an evaluation takes"),
        (("--no-use-split",), 2, "--no-use-split says how a training splits"),
        (("--device", "cpu"), 2, "--device is of the ResNet-50: add --baseline resnet50"),
        (("--resnet-weights", "w.pt"), 2, "--resnet-weights is of the ResNet-50"),
        (("--allow-random-split",), 2, "--allow-random-split is for the table of --split"),
        (("--pack", "nowhere"), 5, "there is no folder nowhere: check the path, or make"),
        (("--data", "nowhere"), 6, "nowhere: no such folder or file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_evaluation_refuses_in_one_line(
    options: tuple[str, ...], code: int, message: str, table: Path, pack: Path
) -> None:
    found, error = _command("evaluate", "--pack", pack, "--data", table, *options)
    assert (found, error.count("\n")) == (code, 1), error
    assert message in error


def test_what_is_known_without_torch_is_what_is_made_with_it() -> None:
    assert list(MAKERS) == list(KINDS)
    assert all(MAKERS[name].kind == kind for name, kind in KINDS.items())
