from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edgeclip.config import Recipe, TrainConfig
from edgeclip.errors import ConfigError, GateError
from edgeclip.fit_state import EVERY_S
from edgeclip.progress import Bars
from edgeclip.run_costs import COSTS_FILE
from edgeclip.run_folder import RUN_FILE, run_path
from edgeclip.trainer import TrainResult, train
from support.clocks import Stepping
from support.stopping import TRAINING_PROCESS, Pressed, Stopping
from support.tiny_packs import TinyEncoder

Configure = Callable[..., TrainConfig]
CREATED_AT = datetime(2026, 5, 1, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def configure(
    tmp_path_factory: pytest.TempPathFactory, encoder: TinyEncoder, table: Path
) -> Configure:
    cache = tmp_path_factory.mktemp("cache")

    def configured(out: Path, **fields: object) -> TrainConfig:
        usual: dict[str, object] = {
            "data": table,
            "out": out,
            "targets": ("leopard",),
            "backbone": str(encoder.config),
            "pretrained": str(encoder.weights),
            "method": "visual+head",
            "folds": 2,
            "cache": cache,
            "recipe": Recipe(steps=6, views=1, batch=32, learning_rate=0.0015, seed=3),
        }
        return TrainConfig.model_validate(usual | fields)

    return configured


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, configure: Configure) -> Path:
    """The pack of a run that nobody interrupted."""
    out = tmp_path_factory.mktemp("whole") / "pack"
    _train(configure(out))
    return out


def _files(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a folder, by name."""
    files = (f for f in folder.rglob("*") if f.is_file() and f.name != COSTS_FILE)
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def _train(
    config: TrainConfig, *, bars: Bars | None = None, clock: Callable[[], float] | None = None
) -> TrainResult:
    return train(
        config,
        created_at=CREATED_AT,
        bars=bars or Bars(quiet=True),
        clock=clock or Stepping(EVERY_S),
    )


def _interrupted(
    config: TrainConfig, *, bars: Bars | None = None, clock: Callable[[], float] | None = None
) -> Path:
    """Interrupt a run; return its folder."""
    with pytest.raises(KeyboardInterrupt):
        _train(config, bars=bars, clock=clock)
    assert not config.out.exists()
    return run_path(config.out)


@pytest.mark.parametrize(
    ("bar", "at", "rounds", "steps"),
    [
        ("methods, held out", 2, 0, 0),
        ("training", 1, 2, 0),
        ("training", 4, 2, 3),
        ("training", 6, 2, 5),
        ("encoding test", 1, 2, 6),
    ],
)
def test_a_run_interrupted_anywhere_continues_to_the_same_pack(
    bar: str, at: int, rounds: int, steps: int, configure: Configure, whole: Path, tmp_path: Path
) -> None:
    folder = _interrupted(configure(tmp_path / "pack"), bars=Stopping(bar, at))
    result = _train(configure(tmp_path / "pack", resume=True))
    assert _files(tmp_path / "pack") == _files(whole)
    assert result.taken is not None
    assert (result.taken.rounds, result.taken.steps) == (rounds, steps)
    assert not folder.exists()


def test_a_round_interrupted_at_a_step_continues_at_that_step(
    configure: Configure, whole: Path, tmp_path: Path
) -> None:
    _interrupted(configure(tmp_path / "pack"), clock=Pressed(24))  # in the second round
    result = _train(configure(tmp_path / "pack", resume=True))
    assert _files(tmp_path / "pack") == _files(whole)
    assert result.taken is not None
    assert result.taken.rounds == 1
    assert 0 < result.taken.steps < 6


def test_a_run_interrupted_twice_comes_to_the_same_pack(
    configure: Configure, whole: Path, tmp_path: Path
) -> None:
    resumed = configure(tmp_path / "pack", resume=True)
    _interrupted(configure(tmp_path / "pack"), clock=Pressed(8))
    _interrupted(resumed, bars=Stopping("training", 3))
    _train(resumed)
    assert _files(tmp_path / "pack") == _files(whole)


def test_training_free_methods_are_taken_over_too(configure: Configure, tmp_path: Path) -> None:
    _train(configure(tmp_path / "whole", method="visual+tip"))
    _interrupted(
        configure(tmp_path / "pack", method="visual+tip"), bars=Stopping("encoding test", 1)
    )
    result = _train(configure(tmp_path / "pack", method="visual+tip", resume=True))
    assert _files(tmp_path / "pack") == _files(tmp_path / "whole")
    assert result.taken is not None
    settings = sum(len(step.entry.settings) for step in result.learned.ladder.steps[1:])
    assert result.taken.rounds == 2 * settings


def test_without_resume_an_old_run_is_replaced(
    configure: Configure, whole: Path, tmp_path: Path
) -> None:
    folder = _interrupted(configure(tmp_path / "pack"), bars=Stopping("training", 4))
    (folder / "old.safetensors").write_bytes(b"")
    _interrupted(configure(tmp_path / "pack"), bars=Stopping("methods, held out", 1))
    assert [file.name for file in folder.iterdir()] == [RUN_FILE]
    assert _train(configure(tmp_path / "pack")).taken is None
    assert _files(tmp_path / "pack") == _files(whole)


def test_with_nothing_to_resume_the_run_says_so_and_starts(
    configure: Configure, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = _train(configure(tmp_path / "pack", resume=True))
    assert "no interrupted run" in caplog.text
    assert "starting from the beginning" in caplog.text
    assert result.taken is None
    assert _files(tmp_path / "pack") == _files(whole)


def test_a_run_of_another_configuration_is_refused_with_what_differs(
    configure: Configure, tmp_path: Path
) -> None:
    folder = _interrupted(configure(tmp_path / "pack"), bars=Stopping("training", 4))
    before = _files(folder)
    other = configure(tmp_path / "pack", resume=True, folds=3, method="head")
    with pytest.raises(ConfigError) as refused:
        _train(other)
    assert "holds another run (folds was 2, is 3; method was visual+head, is head)" in str(
        refused.value
    )
    assert str(refused.value).endswith("leave --resume out to start from the beginning")
    assert _files(folder) == before


def test_a_run_on_other_images_is_refused(
    configure: Configure, table: Path, tmp_path: Path
) -> None:
    _interrupted(configure(tmp_path / "pack"), bars=Stopping("training", 4))
    fewer = tmp_path / "fewer.csv"
    lines = table.read_text().splitlines()
    fewer.write_text("\n".join(lines[:-1]) + "\n")
    options = {"data": fewer, "data_dir": table.parent}
    with pytest.raises(ConfigError, match="other images, labels or places"):
        _train(configure(tmp_path / "pack", resume=True, **options))


def test_what_no_fit_depends_on_may_change(configure: Configure, tmp_path: Path) -> None:
    _interrupted(configure(tmp_path / "pack"), bars=Stopping("training", 4))
    other = {"task": "cats", "version": "2.0.0", "cache": None}
    result = _train(configure(tmp_path / "pack", resume=True, **other))
    assert result.manifest.task == "cats"
    assert result.taken is not None
    assert result.taken.rounds == 2


def test_a_precision_that_was_not_reached_is_lowered_without_fitting_again(
    configure: Configure, tmp_path: Path
) -> None:
    usual: dict[str, object] = {
        "recipe": Recipe(steps=0, views=1, seed=3),
        "targets": ("zebra",),
        "prompts": {"leopard": ("a zebra",)},
    }
    with pytest.raises(GateError):
        _train(configure(tmp_path / "pack", min_precision=1.0, **usual))
    result = _train(configure(tmp_path / "pack", resume=True, **usual))
    assert result.taken is not None
    assert result.taken.rounds == 2


def test_damaged_files_are_left_aside_and_computed_again(
    configure: Configure, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _interrupted(configure(tmp_path / "pack"), bars=Stopping("training", 4))
    for file in folder.glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-100])
    result = _train(configure(tmp_path / "pack", resume=True))
    assert _files(tmp_path / "pack") == _files(whole)
    assert result.taken is not None
    assert (result.taken.rounds, result.taken.steps) == (0, 0)
    assert caplog.text.count("computed again") == 3  # two rounds, and the fit under way


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2}'])
def test_a_damaged_run_json_starts_from_the_beginning_and_says_so(
    content: str, configure: Configure, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _interrupted(configure(tmp_path / "pack"), bars=Stopping("training", 4))
    (folder / RUN_FILE).write_text(content)
    with pytest.raises(KeyboardInterrupt):
        _train(configure(tmp_path / "pack", resume=True), bars=Stopping("methods, held out", 1))
    assert f"{RUN_FILE} is damaged: starting from the beginning" in caplog.text
    assert [file.name for file in folder.iterdir()] == [RUN_FILE]


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_of_that_name_that_is_no_run_is_never_deleted(
    resume: bool, configure: Configure, tmp_path: Path
) -> None:
    mine = tmp_path / "pack.run/mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(ConfigError, match=r"pack\.run is no run of edgeclip train"):
        _train(configure(tmp_path / "pack", resume=resume))
    assert mine.read_text() == "mine"


def test_the_run_folder_says_what_the_run_is(configure: Configure, tmp_path: Path) -> None:
    folder = _interrupted(configure(tmp_path / "pack"), bars=Stopping("training", 4))
    said = json.loads((folder / RUN_FILE).read_text())
    assert said["configuration"]["method"] == "visual+head"
    assert not {"out", "overwrite", "resume"} & set(said["configuration"])
    assert len(said["data_sha256"]) == len(said["split_sha256"]) == 64


def test_a_run_folder_that_cannot_be_written_later_does_not_end_the_run(
    configure: Configure, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Filling(Bars):
        def add(self, description: str, total: int) -> Callable[[int], None]:
            if description == "methods, held out":  # from now on a file stands in its place
                folder = run_path(tmp_path / "pack")
                (folder / RUN_FILE).unlink()
                folder.rmdir()
                folder.write_bytes(b"")
            return super().add(description, total)

    with caplog.at_level(logging.WARNING):
        _train(configure(tmp_path / "pack"), bars=Filling(quiet=True))
    assert "cannot be written" in caplog.text
    assert _files(tmp_path / "pack") == _files(whole)


@pytest.mark.slow
def test_a_process_killed_at_a_random_moment_is_continued_to_the_same_pack(
    configure: Configure, tmp_path: Path
) -> None:
    recipe = Recipe(steps=300, views=1, batch=32, learning_rate=0.0015, seed=3)
    rarely = Stepping(EVERY_S / 50)
    _train(configure(tmp_path / "whole", recipe=recipe), clock=rarely)
    config = configure(tmp_path / "pack", recipe=recipe)
    child = subprocess.Popen(
        [sys.executable, "-c", TRAINING_PROCESS, config.model_dump_json(), CREATED_AT.isoformat()],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    folder = run_path(config.out)
    while child.poll() is None and not list(folder.glob("fit-*.safetensors")):
        time.sleep(0.01)
    moment_s = random.uniform(0, 2)  # any moment will do, and each run of the test tries another
    time.sleep(moment_s)
    child.kill()
    child.wait(timeout=30)
    assert folder.exists() or config.out.exists(), f"killed after {moment_s} s"
    resumed = configure(tmp_path / "pack", recipe=recipe, resume=True, overwrite=True)
    _train(resumed, clock=rarely)
    assert _files(tmp_path / "pack") == _files(tmp_path / "whole"), f"after {moment_s} s"
