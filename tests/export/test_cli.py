from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeclip.clip import Backbone
from support.export_commands import Run, in_a_process
from support.tiny_packs import TinyEncoder, random_tensors, write_tiny_pack


def test_bundle_prints_each_check_and_names_the_next_command(
    run: Run, pack_folder: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    names = ("--backbone", encoder.config, "--pretrained", encoder.weights)
    done = run("bundle", "--pack", pack_folder, "--out", out, *names, "--max-batch", 2)
    assert done.code == 0
    lines = done.out.splitlines()
    assert sum(line.startswith("✓") for line in lines) >= 20
    assert not [line for line in lines if line.startswith("✗")]
    assert done.last_line == f"next: edgeclip-export engine {out}, or copy it to the device"
    assert json.loads((out / "manifest.json").read_text())["profiles"]["B"]["max"] == 2


def test_errors_are_one_line_with_their_exit_code(
    run: Run, pack_folder: Path, bundle: Path, tmp_path: Path
) -> None:
    for code, arguments in {
        2: ("bundle", "--pack", pack_folder, "--out", bundle),
        5: ("bundle", "--pack", tmp_path, "--out", tmp_path / "out"),
    }.items():
        done = run(*arguments)
        assert (done.code, done.out) == (code, "")
        assert done.err.startswith("error: ")
        assert done.err.count("\n") == 1


def test_a_pack_whose_encoder_is_not_known_here_asks_for_it(
    run: Run, pack_folder: Path, tmp_path: Path
) -> None:
    done = run("bundle", "--pack", pack_folder, "--out", tmp_path / "bundle")
    assert done.code == 2
    assert "name it with --backbone NAME|FILE.json --pretrained TAG|FILE" in done.err


def test_verify_ends_with_what_was_proved(run: Run, bundle: Path) -> None:
    done = run("verify", bundle)
    assert done.code == 0
    assert done.last_line == f"{bundle} is whole, and computes what its packs promise"


def test_verify_prints_json_for_a_machine(run: Run, bundle: Path) -> None:
    done = run("verify", bundle, "--backend", "ort", "--json")
    assert [check["passed"] for check in json.loads(done.out)["checks"]] == [True] * 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "--backend", "cpu"), "--backend is 'cpu': give ort, trt, rtx"),
        (
            ("engine", "--precision", "int8"),
            "--precision is 'int8': give auto, fp16, fp16-attn32, fp32",
        ),
    ],
)
def test_a_choice_that_is_not_there_is_refused_with_those_that_are(
    run: Run, bundle: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = run(arguments[0], bundle, *arguments[1:])
    assert done.code == 2
    assert message in done.err


def test_inspect_shows_a_table_and_json(run: Run, bundle: Path) -> None:
    table = run("inspect", bundle)
    assert "tiny-vit" in table.out
    assert "leopard" in table.out
    facts = run("inspect", bundle, "--json")
    assert json.loads(facts.out)["packs"][0]["version"] == "1.0.0"


def test_help_names_every_command() -> None:
    done = in_a_process("--help")
    assert done.code == 0
    for name in ("bundle", "engine", "verify", "inspect"):
        assert name in done.out


def test_a_bundle_is_signed_verified_and_signed_again_with_a_further_pack(
    run: Run, bundle: Path, backbone: Backbone, tmp_path: Path
) -> None:
    key, public, pack = tmp_path / "team", tmp_path / "team.pub", tmp_path / "pack"
    names = ("va_down", "va_up", "va_ratio", "class_bias")
    write_tiny_pack(pack, backbone, random_tensors(4, columns=3, names=names), version="1.1.0")
    made = run("keygen", key)
    assert "for bundles in [inference].public_keys, for commands in" in made.last_line
    unsigned = run("verify", bundle, "--key", public)
    assert (unsigned.code, unsigned.out) == (5, "")
    assert "edgeclip-export sign" in unsigned.err
    signed = run("sign", bundle, "--key", key, "--json")
    key_id = json.loads(signed.out)["key_id"]
    assert f"by key {key_id}" in run("inspect", bundle).out
    assert run("verify", bundle, "--key", public).out.startswith("✓ signature")
    added = run("add-pack", bundle, pack)
    assert added.last_line == f"next: edgeclip-export sign {bundle} --key FILE, your private key's"
    assert run("verify", bundle, "--key", public).code == 5
    assert json.loads(run("inspect", bundle, "--json").out)["signed_by"] is None


def test_add_pack_signs_with_the_key_that_it_is_given(
    run: Run, bundle: Path, backbone: Backbone, tmp_path: Path
) -> None:
    pack = tmp_path / "pack"
    names = ("va_down", "va_up", "va_ratio", "class_bias")
    write_tiny_pack(pack, backbone, random_tensors(4, columns=3, names=names), version="1.1.0")
    run("keygen", tmp_path / "team")
    missing = run("add-pack", bundle, pack, "--key", tmp_path / "nowhere")
    assert missing.code == 2
    assert f"there is no key {tmp_path / 'nowhere'}: check the path" in missing.err
    facts = json.loads(run("add-pack", bundle, pack, "--key", tmp_path / "team", "--json").out)
    assert (facts["version"], facts["replaces"], facts["signed"]) == ("1.1.0", "1.0.0", True)
    assert run("verify", bundle, "--key", tmp_path / "team.pub").code == 0
