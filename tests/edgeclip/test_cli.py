from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgeclip.labels.dataset import read_labels
from edgeclip.packs import load_pack
from support.commands import Run
from support.drawn_images import DrawnSet, draw, save, write_set
from support.tiny_packs import TinyEncoder


def _edgeclip(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeclip.cli", *map(str, arguments)]
    usual = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=usual, capture_output=True, text=True, check=False)


def _interrupted(arguments: list[object], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a training that gets Ctrl-C when its rounds are done, and the last fit begins."""
    script = (
        "import sys; from edgeclip import cli, learning\n"
        "def pressed(*_): raise KeyboardInterrupt\n"
        "learning._final = pressed\n"
        "cli.main()"
    )
    command = [sys.executable, "-c", script, *map(str, arguments)]
    usual = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=usual, capture_output=True, text=True, check=False)


@pytest.fixture
def edgeclip(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs `edgeclip` in this process, in a folder and a home of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return run


def _train(encoder: TinyEncoder, table: Path, out: Path) -> list[object]:
    return [
        "train", "--data", table, "--out", out, "--target", "leopard", "--backbone", encoder.config,
        "--pretrained", encoder.weights, "--steps", "20", "--views", "1",
    ]  # fmt: skip


def test_a_training_ends_with_a_table_and_names_the_next_command(
    encoder: TinyEncoder, table: Path, tmp_path: Path
) -> None:
    command = [*_train(encoder, table, Path("pack")), "--folds", "2"]
    done = _edgeclip(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    stages = [line.partition("] ")[2].partition(":")[0] for line in done.stderr.splitlines()]
    assert stages[:3] == ["opening images", "encoding train", "methods, held out"]
    assert stages[-1] == "encoding test"
    assert "zero-shot" in done.stdout
    assert "adapter" in done.stdout
    assert done.stdout.splitlines()[-1] == "next: edgeclip-export bundle --pack pack --out bundle/"
    assert load_pack(tmp_path / "pack").manifest.task == "leopard"
    assert list((tmp_path / ".cache/edgeclip/features").glob("*/*.safetensors"))


def test_an_interrupted_training_says_how_to_continue_and_then_what_it_took_over(
    edgeclip: Run, encoder: TinyEncoder, table: Path, tmp_path: Path
) -> None:
    command = [*_train(encoder, table, Path("pack")), "--method", "head", "--folds", "2"]
    begun = _interrupted(command, cwd=tmp_path)
    assert begun.returncode == 130
    assert "interrupted: the same command with --resume continues here" in begun.stderr
    done = edgeclip(*command, "--resume")
    assert done.code == 0, done.err
    assert "resumed: 2 rounds and 0 steps taken over from the interrupted run" in done.out
    assert not (tmp_path / "pack.run").exists()


def test_json_is_all_that_a_machine_gets(edgeclip: Run, encoder: TinyEncoder, table: Path) -> None:
    quick = ("--method", "head", "--folds", "2", "--json")
    done = edgeclip(*_train(encoder, table, Path("pack")), *quick)
    content = json.loads(done.out)
    assert content["task"] == "leopard"
    assert 0 <= content["metrics"]["test/adapter/leopard/f1"] <= 1
    measured = edgeclip(
        "evaluate", "--pack", "pack", "--data", table, "--backbone", encoder.config,
        "--pretrained", encoder.weights, "--json",
    )  # fmt: skip
    figures = json.loads(measured.out)
    assert [opening["by"] for opening in figures["openings"]] == ["train", "evaluate"]
    judged = sum(scope["images"] for scope in figures["scopes"].values())
    assert 0 < judged == figures["openings"][1]["images"] < 72  # the rest trained the pack


def test_a_check_shows_classes_places_problems_and_the_split(edgeclip: Run, tmp_path: Path) -> None:
    write_set(tmp_path / "images", DrawnSet({"leopard": 2, "blank": 2}, locations=4))
    (tmp_path / "images/place1/leopard_0_0.jpg").write_bytes(b"")
    done = edgeclip("data", "check", "images/labels.csv")
    assert done.code == 0, done.err
    for text in ("place3", "Split by location", "unreadable 1", "empty file: 0 bytes", "warning:"):
        assert text in done.out
    as_json = edgeclip("data", "check", "images/labels.csv", "--json")
    content = json.loads(as_json.out)
    assert (content["rows"], content["usable"]) == (32, 31)


def test_a_check_of_folders_says_which_layout_it_assumed(edgeclip: Run, tmp_path: Path) -> None:
    for number, label in enumerate(("leopard", "leopard", "blank", "blank")):
        save(tmp_path / f"images/{label}/{number}.jpg", draw(label, number))
    done = edgeclip("data", "check", "images")
    assert "assumed: layout label (guessed" in done.out
    assert "no split: too few sequences" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["data", "check", "none"], 6, "error: none: no such folder or file"),
        (["data", "check", "labels.csv"], 6, "empty: a header and a row an image"),
        (["data", "check", "images", "--layout", "odd"], 2, "--layout 'odd' is not known"),
        (["data", "check", "images", "--class", "=x"], 2, "names no class"),
        (["data", "check", "images", "--class", "cat=lepard"], 2, "did you mean leopard?"),
        (["data", "check", "empty"], 6, "no image found: expected empty/<label>/"),
        (["data", "check", "cut.zip"], 6, "no zip, or a damaged one: copy or export it again"),
        (["data", "check", "none.json"], 6, "it has nothing: export it again"),
        (["data", "check", "corrupt"], 6, "none of 2 labelled files can be used"),
        (["train", "--data", "images", "--out", "p", "--backbone", "ViT-B-33"], 2, "did you mean"),
        (
            ["train", "--data", "images", "--out", "p", "--backbone", "demo", "--task", "../x"],
            2,
            "task: is not 1 to 32 letters a-z, digits and -, as leopard-night, found '../x'",
        ),
        (
            ["train", "--data", "images", "--out", "p", "--backbone", "demo", "--version", "1"],
            2,
            "version: is not three numbers, as 1.0.0, found '1'",
        ),
        (
            ["train", "--data", "images", "--out", "p", "--backbone", "demo", "--folds", "two"],
            2,
            "Invalid value for '--folds': write a whole number",
        ),
        (["evaluate", "--pack", "images", "--data", "images"], 5, "no readable pack.json"),
        (["data", "render", "out", "--species", "dodo"], 2, "'dodo' cannot be rendered"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_line_and_an_exit_code(
    edgeclip: Run, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    for number, label in enumerate(("leopard", "blank")):
        save(tmp_path / f"images/{label}/{number}.jpg", draw(label, number))
        (tmp_path / "corrupt" / label).mkdir(parents=True)
        (tmp_path / "corrupt" / label / "a.jpg").write_bytes(b"junk")
    (tmp_path / "labels.csv").write_bytes(b"")
    (tmp_path / "cut.zip").write_bytes(b"\x00" * 100)
    (tmp_path / "none.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    done = edgeclip(*arguments)
    assert (done.code, done.out) == (code, "")
    (line,) = (line for line in done.err.splitlines() if "opening images" not in line)
    assert message in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--backbone", "dem"), "--backbone dem is not a model of open_clip: did you mean demo?"),
        (("--backbone", "ViT-B-32"), "--backbone ViT-B-32 needs --pretrained TAG or FILE"),
        (
            ("--backbone", "ViT-B-32", "--pretrained", "/nope.pt"),
            "--pretrained /nope.pt is neither a file nor a tag of ViT-B-32",
        ),
        (("--backbone", "demo", "--target", "lepard"), "did you mean leopard?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_training_refuses_backbone_and_target_before_it_opens_an_image(
    edgeclip: Run, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    for label in ("leopard", "blank"):
        save(tmp_path / f"images/{label}/0.jpg", draw(label, 0))
    done = edgeclip("train", "--data", "images", "--out", "pack", *options)
    (line,) = done.err.splitlines()
    assert (done.code, message in line) == (2, True), line


def test_a_drawn_set_can_be_read(edgeclip: Run, tmp_path: Path) -> None:
    done = edgeclip(
        "data", "render", "out", "--species", "leopard", "--images", "3", "--locations", "1",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert [s.label for s in read_labels(tmp_path / "out/labels.csv").samples] == (
        ["leopard"] * 3 + ["blank"] * 3
    )


def test_the_layout_is_a_choice_of_two(edgeclip: Run, tmp_path: Path) -> None:
    for place in "AB":
        save(tmp_path / f"images/{place}/leopard/a.jpg", draw("leopard", ord(place)))
        save(tmp_path / f"images/{place}/civet/a.jpg", draw("zebra", ord(place)))
    for layout, names in (("label", ["A", "B"]), ("location/label", ["civet", "leopard"])):
        done = edgeclip("data", "check", "images", "--layout", layout, "--json")
        assert [line["name"] for line in json.loads(done.out)["classes"]] == names
