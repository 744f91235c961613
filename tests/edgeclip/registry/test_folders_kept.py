"""Folders of packs told from sets, and their index kept up to date."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeclip.combining import combine
from edgeclip.errors import PackError
from edgeclip.registry.allocating import allocate
from edgeclip.registry.index import INDEX_FILE, read_index, write_index
from edgeclip.set_files import SET_FILE, parts_of
from support.commands import Run, WritePack


@pytest.mark.parametrize("name", [".DS_Store", INDEX_FILE])
def test_a_first_training_goes_into_a_folder_with_other_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    assert allocate(tmp_path, "leopard").out == tmp_path / "leopard/1.0.0"


def test_a_set_is_no_folder_of_packs_and_says_so(run: Run, pack: Path, tmp_path: Path) -> None:
    combine([pack], tmp_path / "set", {"leopard": {"light": "day"}})
    for command in (("list", tmp_path / "set"), ("show", tmp_path / "set", "leopard")):
        ended = run("pack", *command)
        assert ended.code == 5
        assert f"set is a set, and no folder of packs: `edgeclip pack show {tmp_path}" in ended.err
    with pytest.raises(PackError, match="is a set, and no folder of packs"):
        allocate(tmp_path / "set", "civet")


def test_an_index_follows_what_is_added_and_removed(
    run: Run, write_pack: WritePack, tmp_path: Path
) -> None:
    leopard, registry = write_pack("leopard"), tmp_path / "others"
    assert INDEX_FILE not in run("pack", "add", registry, leopard).err
    assert not (registry / INDEX_FILE).exists()
    write_index(registry)
    assert f"{INDEX_FILE} was written anew" in run("pack", "add", registry, write_pack("civet")).err
    assert [each.task for each in read_index(registry.as_uri()).packs] == ["civet", "leopard"]
    for name in ("civet@1.0.0", "leopard@1.0.0"):
        assert run("pack", "remove", registry, "--part", name).code == 0
    assert read_index(registry.as_uri()).packs == []


def test_an_index_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    (tmp_path / INDEX_FILE).write_text("[" * 200_000)
    with pytest.raises(PackError, match=INDEX_FILE):
        read_index(tmp_path.as_uri())


def test_two_versions_of_a_task_are_not_composed_and_combine_is_named(
    run: Run, write_pack: WritePack, tmp_path: Path
) -> None:
    write_pack("leopard")
    names = ("leopard@1.0.0", "leopard")
    ended = run("pack", "compose", tmp_path / "packs", *names, "--out", tmp_path / "set")
    assert ended.code == 2
    assert "`edgeclip pack combine`, as leopard-2=FOLDER" in ended.err


@pytest.mark.parametrize(
    ("number", "remedy"), [(0, "combine the packs again"), (2, "update edgeclip")]
)
def test_another_version_of_a_set_is_told_by_its_name(
    tmp_path: Path, number: int, remedy: str
) -> None:
    (tmp_path / SET_FILE).write_text(json.dumps({"schema": f"edgeclip.router/{number}"}))
    with pytest.raises(PackError, match=f"format is edgeclip.router/{number}, .*: {remedy}"):
        parts_of(tmp_path)
