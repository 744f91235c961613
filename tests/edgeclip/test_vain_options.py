"""Options without an effect, and values that cannot be meant, are refused before torch loads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from edgeclip.kinds import KINDS
from edgeclip.makers import MAKERS

_SCRIPT = """
import contextlib, io, json, sys
from edgeclip import cli
for line in sys.stdin:
    sys.argv, out, err = ["edgeclip", *json.loads(line)], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
    loaded = [name for name in ("torch", "open_clip") if name in sys.modules]
    print(json.dumps([code, out.getvalue(), err.getvalue(), loaded]), flush=True)
"""
Command = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def command() -> Iterator[Command]:
    """Runs `edgeclip`, commands one after the other in a process that must not load torch."""
    words = [sys.executable, "-c", _SCRIPT]
    with subprocess.Popen(words, stdin=PIPE, stdout=PIPE, text=True) as process:
        asked, answers = process.stdin, process.stdout
        assert asked
        assert answers

        def run(*arguments: object) -> tuple[int, str]:
            asked.write(json.dumps([str(word) for word in arguments]) + "\n")
            asked.flush()
            code, out, err, loaded = json.loads(answers.readline())
            assert (out, loaded) == ("", [])
            return code, err

        yield run
        asked.close()


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
        (("--unlabelled", "nowhere"), 6, "--unlabelled nowhere: nothing lies there"),
        (("--unlabelled", ".", "--method", "gda"), 2, "--unlabelled teaches what takes gradient"),
        (("--unlabelled", ".", "--steps", "0"), 2, "and auto takes none: leave it out"),
        (("--attributes", "usul"), 2, "--attributes usul is no file: did you mean usual?"),
        (("--attributes", "usual", "--method", "lora+gda"), 2, "lora of lora+gda changes them"),
        (("--attributes", "usual", "--method", "block"), 2, "block of block changes them"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_training_refuses_in_one_line(
    command: Command,
    options: tuple[str, ...],
    code: int,
    message: str,
    table: Path,
    tmp_path: Path,
) -> None:
    usual = ("train", "--out", tmp_path / "pack", "--backbone", "demo", "--data", table)
    found, error = command(*usual, *options)
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
    command: Command, options: tuple[str, ...], code: int, message: str, table: Path, pack: Path
) -> None:
    found, error = command("evaluate", "--pack", pack, "--data", table, *options)
    assert (found, error.count("\n")) == (code, 1), error
    assert message in error


def test_what_is_known_without_torch_is_what_is_made_with_it() -> None:
    assert list(MAKERS) == list(KINDS)
    assert all(MAKERS[name].kind == kind for name, kind in KINDS.items())
