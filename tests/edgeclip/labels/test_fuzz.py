"""Whatever a label file holds, it is read or refused with one of our errors: nothing else."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeclip.errors import ConfigError, DataError
from edgeclip.labels.dataset import read_dataset
from edgeclip.labels.json_text import parse_object
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.text_tables import parse_table
from edgeclip.labels.times import parse_time, time_in_name
from support.drawn_images import draw, save

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.integers()
    | st.floats()
    | st.sampled_from(["1", "a.jpg", "../a.jpg", "", "leopard", "empty", "2024-05-12 21:34:05"])
    | st.text(max_size=12)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
KEYS = {
    "images": ["id", "file_name", "file", "detections", "failure", "location", "datetime", "seq_id",
               "width", "height", "frame_num", "corrupt"],
    "annotations": ["id", "image_id", "category_id", "bbox", "bbox_relative",
                    "sequence_level_annotation"],
    "categories": ["id", "name"],
    "resources": ["name", "path", "schema"],
    "predictions": ["filepath", "prediction", "detections", "failures"],
}  # fmt: skip
DETECTIONS = st.lists(
    st.fixed_dictionaries({}, optional={
        "category": SCALARS, "conf": SCALARS, "bbox": st.lists(SCALARS, max_size=5) | SCALARS,
        "classifications": st.lists(st.lists(SCALARS, max_size=3) | SCALARS, max_size=2) | SCALARS,
    }), max_size=3,
)  # fmt: skip


def _objects(keys: list[str]) -> st.SearchStrategy[Any]:
    values = {key: DETECTIONS | JSON if key == "detections" else JSON for key in keys}
    return st.lists(st.fixed_dictionaries({}, optional=values) | JSON, max_size=3) | JSON


FILES = st.fixed_dictionaries(
    {},
    optional={
        **{name: _objects(keys) for name, keys in KEYS.items()},
        "detection_categories": st.dictionaries(st.text(max_size=2), SCALARS) | JSON,
        "classification_categories": st.dictionaries(st.text(max_size=2), SCALARS) | JSON,
        "info": JSON,
    },
)
HEADERS = st.lists(
    st.sampled_from(["path", "File", "RelativePath", "label", "site", "datetime", "seq_id",
                     "bbox1", "bbox2", "bbox3", "bbox4", "x_min", "y_min", "x_max", "y_max",
                     "conf", "split", "width", "height", ""]),
    max_size=12,
)  # fmt: skip
CELLS = SCALARS.map(lambda value: "" if value is None else str(value))
TABLES = st.tuples(
    HEADERS, st.lists(st.lists(CELLS, max_size=12), max_size=5), st.sampled_from(",;\t")
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "multi": st.sampled_from(["drop", "first", "largest-box", "multi"]),
        "box_unit": st.sampled_from(["pixels", "relative", None]),
        "sequence_labels": st.booleans(),
        "use_split": st.booleans(),
    },
)
MANY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with a.jpg, into which each example is written."""
    with tempfile.TemporaryDirectory() as name:
        save(Path(name) / "a.jpg", draw("leopard", 0))
        yield Path(name)


@contextlib.contextmanager
def _or_refused_in_one_line() -> Iterator[None]:
    said = "one line"
    try:
        yield
    except (DataError, ConfigError) as error:
        said = str(error)
    assert said
    assert "\n" not in said


def _read_or_refuse(path: Path, options: dict[str, Any]) -> None:
    """Read images that are there, each of a class; or refuse in one line."""
    with _or_refused_in_one_line():
        dataset = read_dataset(ReadingOptions(data=path, **options))
        assert dataset.images
        assert all(image.path.is_file() for image in dataset.images)
        assert {image.class_name for image in dataset.images} <= set(dataset.class_names)


@MANY
@given(content=FILES, options=OPTIONS)
def test_any_json_is_read_or_refused(folder: Path, content: Any, options: dict[str, Any]) -> None:
    path = folder / "x.json"
    path.write_text(json.dumps(content))
    _read_or_refuse(path, options)


@MANY
@given(content=FILES)
def test_any_json_as_boxes_is_read_or_refused(folder: Path, content: Any) -> None:
    (folder / "l.csv").write_text("path,label\na.jpg,leopard\n")
    (folder / "boxes.json").write_text(json.dumps(content))
    _read_or_refuse(folder / "l.csv", {"boxes": folder / "boxes.json"})


@MANY
@given(table=TABLES, options=OPTIONS)
def test_any_table_is_read_or_refused(
    folder: Path, table: tuple[list[str], list[list[str]], str], options: dict[str, Any]
) -> None:
    header, rows, separator = table
    lines = [separator.join(cells) for cells in (header, *rows)]
    path = folder / "x.csv"
    path.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    _read_or_refuse(path, options)


@MANY
@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda t: t.encode(errors="replace")))
def test_any_bytes_are_a_table_or_refused(data: bytes) -> None:
    with _or_refused_in_one_line():
        numbers = [number for number, _ in parse_table(data, "x").rows()]
        assert numbers == list(range(2, 2 + len(numbers)))
    with _or_refused_in_one_line():
        assert isinstance(parse_object(data, "x"), dict)


@MANY
@given(rows=st.lists(st.lists(CELLS, min_size=3, max_size=9), max_size=4))
def test_any_camtrap_dp_tables_are_read_or_refused(folder: Path, rows: list[list[str]]) -> None:
    package = folder / "dp"
    save(package / "a.jpg", draw("leopard", 0))
    headers = {
        "deployments": "deploymentID,locationID,deploymentStart,deploymentEnd,timestampIssues",
        "media": "mediaID,deploymentID,timestamp,filePath,fileName,captureMethod,fileMediatype",
        "observations": "mediaID,deploymentID,eventStart,eventEnd,observationType,bboxX,bboxY,"
        "bboxWidth,bboxHeight",
    }
    for name, header in headers.items():
        lines = [header, *(",".join(cells) for cells in rows)]
        text = "\n".join(lines)
        (package / f"{name}.csv").write_text(text, encoding="utf-8", errors="surrogatepass")
    _read_or_refuse(package, {})


@MANY
@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text: str) -> None:
    for found in (parse_time(text), time_in_name(text)):
        assert found is None or found.tzinfo is not None


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 50_000, "[]", "1", "null", "", "{'a': 1}", '{"images": NaN',
     '{"a": ' + "9" * 5000 + "}"],
    ids=["deep lists", "deep objects", "list", "number", "null", "empty", "quotes", "cut", "long"],
)  # fmt: skip
def test_json_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError):
        read_dataset(ReadingOptions(data=path))
