"""What comes from an index is what it names, and with a key what that signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.contract.signing import make_key
from edgeclip.errors import PackError
from edgeclip.registry.address import pack_at
from edgeclip.registry.signing import sign_pack
from support.commands import Edit, Run

pytestmark = pytest.mark.filterwarnings("ignore")  # of fsspec's HTTP client


@pytest.mark.parametrize(
    "command",
    [
        ("fetch", "URL", "leopard", "--into", "mine"),
        ("compose", "URL", "leopard", "civet", "--out", "set"),
        ("verify", "URL#leopard@9.0.0"),
    ],
    ids=lambda command: command[0],
)
def test_an_entry_that_leads_to_another_pack_is_refused_before_anything_is_placed(
    run: Run,
    index: str,
    edit: Edit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    edit(lambda entry: entry.update(task="leopard", version="9.0.0"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    names = [each.replace("civet", "leopard@1.1.0") for each in command]
    ended = run("pack", *(each.replace("URL", index) for each in names))
    assert ended.code == 5
    assert "is of civet@1.0.0, and the index says leopard@9.0.0" in ended.err
    assert not list((tmp_path / "here").iterdir())


def test_a_signature_of_which_the_index_is_silent_is_fetched_too(
    run: Run, index: str, key: Path, tmp_path: Path
) -> None:
    sign_pack(tmp_path / "packs/civet/1.0.0", key)
    assert run("pack", "fetch", index, "civet", "--into", tmp_path / "mine").code == 0
    public = Path(f"{key}.pub")
    signed = run("pack", "verify", tmp_path / "mine/civet/1.0.0", "--key", public)
    assert "whole, and signed by key" in signed.out


@pytest.mark.parametrize(
    "command",
    [
        ("fetch", "URL", "NAME", "--into", "OUT"),
        ("add", "OUT", "URL#NAME"),
        ("compose", "URL", "leopard@1.0.0", "NAME", "--out", "OUT"),
    ],
    ids=lambda command: command[0],
)
def test_with_a_key_an_unsigned_pack_is_not_taken(
    run: Run, index: str, key: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    given = {"URL": index, "NAME": "civet", "OUT": str(tmp_path / "out")}
    for word, value in given.items():
        command = tuple(each.replace(word, value) for each in command)
    ended = run("pack", *command, "--key", Path(f"{key}.pub"))
    assert ended.code != 0
    assert f"{index}/civet/1.0.0 is not signed, and --key asks for it" in ended.err
    assert not (tmp_path / "out").exists()


def test_with_a_key_what_it_signed_is_taken_and_what_a_stranger_did_is_not(
    run: Run, index: str, key: Path, tmp_path: Path
) -> None:
    into = ("pack", "fetch", index, "leopard@1.0.0", "--into", tmp_path / "mine")
    make_key(tmp_path / "stranger.key")
    refused = run(*into, "--key", tmp_path / "stranger.key.pub")
    assert f"{index}/leopard/1.0.0/pack.sig is by key" in refused.err
    assert not (tmp_path / "mine").exists()
    assert run(*into, "--key", Path(f"{key}.pub")).code == 0
    assert (tmp_path / "mine/leopard/1.0.0/pack.sig").is_file()


def test_a_key_for_packs_of_this_machine_is_refused(run: Run, pack: Path, tmp_path: Path) -> None:
    ended = run("pack", "add", tmp_path / "packs", pack, "--key", "ranger.key.pub")
    assert (ended.code, "--key is for packs from afar" in ended.err) == (2, True)


def test_the_files_of_a_pack_are_limited_together(index: str, edit: Edit, tmp_path: Path) -> None:
    files = [path.stat().st_size for path in (tmp_path / "packs/civet/1.0.0").iterdir()]
    edit(lambda entry: entry.update(size_bytes=max(files) + 1))
    refused = pytest.raises(PackError, match=r"is larger than the .* MB that it may have")
    with refused, pack_at(f"{index}#civet"):
        pass
