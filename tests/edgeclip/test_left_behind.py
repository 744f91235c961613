"""What a training leaves beside the pack: nothing, unless there is something to continue."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeclip.config import Recipe
from edgeclip.errors import ConfigError, DataError, EdgeclipError, PackError, SetupError
from edgeclip.run_folder import FIT, ROUND, RunFolder
from edgeclip.run_lock import only_training
from edgeclip.trainer import TrainResult
from support.tiny_packs import write_encoder

QUICK = Recipe(steps=5, views=1, seed=3)
RESNET = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16}
HOLD = """
import sys, time
from pathlib import Path
from edgeclip.run_lock import only_training
with only_training(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
Trainer = Callable[..., TrainResult]


def _everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("fields", "kind", "said"),
    [
        ({"on": Path("no pack")}, PackError, "there is no folder no pack"),
        ({"method": "visul"}, ConfigError, "did you mean visual"),
        (
            {"method": "text_block", "prompts": {"leopard": ("spots " * 200,)}},
            DataError,
            "202 tokens",
        ),
        ({"targets": ("tiger",)}, ConfigError, "--target tiger"),
        ({"prompts": {"tiger": ("a tiger",)}}, ConfigError, "no such class"),
        ({"recipe": Recipe(strip_top_px=9999, views=1)}, DataError, "leave nothing"),
    ],
)
def test_a_refused_training_leaves_nothing_behind(
    fields: dict[str, object],
    kind: type[EdgeclipError],
    said: str,
    run_training: Trainer,
    tmp_path: Path,
) -> None:
    with pytest.raises(kind, match=said):
        run_training(tmp_path / "new/folder/pack", **({"recipe": QUICK, "folds": 2} | fields))
    assert _everything_in(tmp_path) == []


def test_a_method_that_the_tower_does_not_take_leaves_nothing_behind(
    run_training: Trainer, tmp_path: Path
) -> None:
    resnet = write_encoder(tmp_path / "encoder", vision=RESNET)
    before = _everything_in(tmp_path)
    with pytest.raises(ConfigError, match="tower"):
        run_training(
            tmp_path / "pack", recipe=QUICK, method="block", backbone=str(resnet.config),
            pretrained=str(resnet.weights),
        )  # fmt: skip
    assert _everything_in(tmp_path) == before


@pytest.mark.parametrize("kind", [ROUND, FIT])
def test_an_error_after_the_first_fit_keeps_what_can_be_continued(
    kind: str, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "pack.run", "e" * 64)
    run.path.mkdir()
    (run.path / f"{kind}-1.safetensors").write_bytes(b"")
    with pytest.raises(DataError), run.kept_if_useful():
        raise DataError("an image changed")
    assert run.path.exists()


def test_an_interruption_by_hand_keeps_even_what_has_just_begun(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "pack.run", "e" * 64)
    run.path.mkdir()
    with pytest.raises(KeyboardInterrupt), run.kept_if_useful():
        raise KeyboardInterrupt
    assert run.path.exists()


def test_an_out_without_a_name_is_refused_before_any_work(
    run_training: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for out in (".", "..", "/"):
        with pytest.raises(ValueError, match="name a folder of its own"):
            run_training(Path(out), recipe=QUICK)
    assert _everything_in(tmp_path) == []


def test_a_second_training_of_the_same_pack_is_refused_at_once(
    run_training: Trainer, tmp_path: Path
) -> None:
    out = tmp_path / "pack"
    ours = rf"pack is being trained by another edgeclip train \(process {os.getpid()}\): wait"
    with only_training(out):
        before = _everything_in(tmp_path)
        with pytest.raises(SetupError, match=ours) as refused:
            run_training(out, data=tmp_path / "is never opened.csv")
        assert "\n" not in str(refused.value)
        assert _everything_in(tmp_path) == before
    assert _everything_in(tmp_path) == []


def test_packs_beside_each_other_train_at_the_same_time(
    run_training: Trainer, tmp_path: Path
) -> None:
    with only_training(tmp_path / "other"):
        run_training(tmp_path / "pack", recipe=QUICK, method="zero-shot")
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]


def test_the_lock_of_a_killed_training_does_not_block(
    run_training: Trainer, tmp_path: Path
) -> None:
    out = tmp_path / "pack"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(SetupError, match=f"process {child.pid}"):
            run_training(out, recipe=QUICK)
        child.send_signal(signal.SIGKILL)
    assert _everything_in(tmp_path) == [".pack.lock"]
    run_training(out, recipe=QUICK, method="zero-shot")
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]


def test_of_many_processes_one_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    """Each adds one to a number, reading and writing apart: two at once would lose some."""
    number, times, processes = tmp_path / "number", 40, 4
    number.write_text("0")
    script = f"""
import sys, time
from pathlib import Path
from edgeclip.errors import SetupError
from edgeclip.run_lock import only_training
number, done = Path(sys.argv[1]), 0
while done < {times}:
    try:
        with only_training(number.with_name("pack")):
            known = int(number.read_text())
            time.sleep(0.0005)
            number.write_text(str(known + 1))
        done += 1
    except SetupError:
        time.sleep(0.0003)
"""
    children = [
        subprocess.Popen([sys.executable, "-c", script, str(number)]) for _ in range(processes)
    ]
    assert [child.wait(timeout=60) for child in children] == [0] * processes
    assert int(number.read_text()) == times * processes
    assert _everything_in(tmp_path) == ["number"]


def test_a_folder_that_cannot_be_made_is_said_before_any_work(
    run_training: Trainer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"file cannot be written .*: choose another --out"):
        run_training(tmp_path / "file/pack", data=tmp_path / "is never opened.csv")
