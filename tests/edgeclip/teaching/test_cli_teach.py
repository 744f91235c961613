"""`edgeclip teach` as a person types it: several paths an option, words in the end, JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edgeclip import cli
from edgeclip.cli_teach import spelled_out
from edgeclip.packs import load_pack
from support.tiny_packs import TinyEncoder


class Teaching:
    """The command in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr."""
        self._monkeypatch.setattr(sys, "argv", ["edgeclip", "teach", *map(str, arguments)])
        self._monkeypatch.setenv("COLUMNS", "200")
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = self._capsys.readouterr()
        return code, said.out, said.err


@pytest.fixture
def teaching(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Teaching:
    return Teaching(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--images a b --name x", "--images a --images b --name x"),
        ("--name x --others c d e", "--name x --others c --others d --others e"),
        ("--images a --images b", "--images a --images b"),
        ("--images a --json b", "--images a --json b"),
        ("--images=a b", "--images=a b"),
    ],
)
def test_an_option_of_paths_takes_all_that_follow_it(typed: str, meant: str) -> None:
    assert spelled_out(typed.split()) == meant.split()


@pytest.mark.parametrize("typed", ["--images --name x", "--name x --images", "--others --name x"])
def test_an_option_of_paths_without_one_is_named(teaching: Teaching, typed: str) -> None:
    code, _, said = teaching.run(*typed.split(), "--out", "pack")
    assert code == 2
    assert "it needs a path or more" in said


def test_a_pack_of_another_encoder_is_told_before_anything_is_loaded(
    teaching: Teaching, pack: Path, tmp_path: Path
) -> None:
    words = ("--images", "a.jpg", "--name", "elephant", "--on", pack, "--out", tmp_path / "out")
    code, _, said = teaching.run(*words, "--backbone", "demo")
    assert (code, "leave --backbone out" in said) == (2, True)


def test_the_command_says_from_how_little_it_was_taught_and_what_comes_next(
    teaching: Teaching,
    encoder: TinyEncoder,
    pack: Path,
    elephants: list[Path],
    without: Path,
    tmp_path: Path,
) -> None:
    new = tmp_path / "new"
    named = ["--backbone", encoder.config, "--pretrained", encoder.weights]
    code, out, err = teaching.run(
        "--images", *elephants[:2], "--name", "elephant", "--on", pack, "--others", without,
        *named, "--out", new,
    )  # fmt: skip
    assert code == 0, err
    assert "elephant: taught from 2 images, threshold from 24 frames without it" in out
    assert "UNVERIFIED" in out
    assert out.splitlines()[-1].startswith(f"next: edgeclip evaluate --pack {new}")
    assert load_pack(new).manifest.targets == ["leopard", "elephant"]
    code, _, err = teaching.run(
        "--images", elephants[2], "--name", "elephant", "--on", new, "--out", tmp_path / "newer"
    )
    assert code == 2
    assert err.startswith(f"error: --name elephant: {new} knows elephant already")


def test_it_answers_in_json_for_a_program(
    teaching: Teaching, encoder: TinyEncoder, elephants: list[Path], tmp_path: Path
) -> None:
    code, out, err = teaching.run(
        "--images", elephants[0], "--name", "elephant", "--backbone", encoder.config,
        "--pretrained", encoder.weights, "--out", tmp_path / "new", "--json",
    )  # fmt: skip
    assert code == 0, err
    said = json.loads(out)
    assert said["taught"]["images"] == 1
    assert said["taught"]["threshold"] == "its own images alone"
    assert said["thresholds"].keys() == {"elephant"}
    assert said["seconds"].keys() == {"loading", "seeing", "predicting", "writing"}


def test_six_images_and_stray_words_are_refused(teaching: Teaching, tmp_path: Path) -> None:
    new = tmp_path / "new"
    code, _, err = teaching.run("--images", *"abcdef", "--name", "x", "--out", new)
    assert code == 2
    assert "use `edgeclip train`" in err
    code, _, _ = teaching.run("--images=a", "b", "--name", "x", "--out", new)
    assert code == 2
    assert not new.exists()
