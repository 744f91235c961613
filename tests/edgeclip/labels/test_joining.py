"""Several labelled sources in one table, which the reader takes as it is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgeclip.errors import ConfigError, DataError
from edgeclip.labels.dataset import Dataset, read_dataset
from edgeclip.labels.joining import write_joined
from edgeclip.labels.reading import ReadingOptions
from support.drawn_images import DrawnSet, write_set


def _read(source: Path) -> Dataset:
    return read_dataset(ReadingOptions(data=source))


@pytest.fixture
def season(tmp_path: Path) -> Path:
    """Two places with bursts of leopards and blanks, with boxes."""
    drawn = DrawnSet({"leopard": 1, "blank": 1}, locations=2, with_boxes=True)
    return write_set(tmp_path / "season", drawn)


@pytest.fixture
def verdicts(tmp_path: Path, season: Path) -> Path:
    """A folder layout with one further image, and one that the season has already."""
    images = sorted(_read(season).images, key=lambda image: image.path)
    leopard = next(image.path for image in images if image.class_name == "leopard")
    folder = tmp_path / "verdicts/leopard"
    folder.mkdir(parents=True)
    shutil.copy(leopard, folder / "known.jpg")
    drawn = write_set(tmp_path / "other", DrawnSet({"zebra": 1}, locations=4, frames=1))
    shutil.move(_read(drawn).images[3].path, folder / "new.jpg")
    shutil.rmtree(drawn.parent)
    return tmp_path / "verdicts"


def test_a_joined_table_reads_as_its_sources_do_with_bursts_kept_apart(
    season: Path, tmp_path: Path
) -> None:
    other = tmp_path / "later"
    shutil.copytree(season.parent, other)
    for image in other.rglob("*.jpg"):
        with image.open("ab") as file:
            file.write(b"later")  # another file of the same burst's name
    out = tmp_path / "all.csv"
    joined = write_joined(out, [_read(season), _read(other / "labels.csv")])
    one, both = _read(season), _read(out)
    assert joined.rows == len(both.images) == 2 * len(one.images)
    told = {(i.class_name, i.location, i.captured_at, i.box) for i in one.images}
    assert {(i.class_name, i.location, i.captured_at, i.box) for i in both.images} == told
    assert len({i.sequence for i in both.images}) == 2 * len({i.sequence for i in one.images})


def test_an_image_that_an_earlier_source_has_is_taken_once(
    season: Path, verdicts: Path, tmp_path: Path
) -> None:
    joined = write_joined(tmp_path / "all.csv", [_read(season), _read(verdicts)])
    assert (joined.known, joined.by_source[str(verdicts)]) == (1, 1)
    assert joined.rows == len(_read(season).images) + 1


def test_one_image_with_two_labels_is_told_and_nothing_is_written(
    season: Path, verdicts: Path, tmp_path: Path
) -> None:
    (verdicts / "leopard").rename(verdicts / "lion")
    read = [_read(season), _read(verdicts)]
    with pytest.raises(DataError, match=r"is leopard, and the same image at .*known\.jpg lion"):
        write_joined(tmp_path / "all.csv", read)
    assert not (tmp_path / "all.csv").exists()


def test_the_table_must_lie_above_all_images(season: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(DataError, match="put the table into a folder above all images"):
        write_joined(tmp_path / "elsewhere/all.csv", [_read(season)])


def test_what_is_there_is_kept_unless_it_may_be_replaced(season: Path, tmp_path: Path) -> None:
    out = tmp_path / "all.csv"
    out.write_text("mine")
    with pytest.raises(ConfigError, match=r"all\.csv is there: choose another name"):
        write_joined(out, [_read(season)])
    assert out.read_text() == "mine"
    write_joined(out, [_read(season)], overwrite=True)
    assert out.read_text().startswith("path,label,location")
    with pytest.raises(ConfigError, match=r"name it all\.csv"):
        write_joined(tmp_path / "all.txt", [_read(season)])


def test_the_command_says_what_each_source_gave(
    season: Path, verdicts: Path, tmp_path: Path
) -> None:
    table = str(season.relative_to(tmp_path))
    command = [sys.executable, "-m", "edgeclip.cli", "data", "join", "all.csv", table]
    done = subprocess.run(
        [*command, str(verdicts)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "season/labels.csv: 8 images" in done.stdout
    assert "1 image left out: an earlier source has the same file" in done.stdout
    done = subprocess.run(
        [*command, "--overwrite", "--json"], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert json.loads(done.stdout)["rows"] == 8, done.stderr
