"""Why the weights of an encoder could not be loaded, and what to do."""

from __future__ import annotations

from pathlib import Path

from edgeclip.errors import SetupError

_HEAD_BYTES = 9


def refuse_other_files(file: Path) -> None:
    """Refuse what is no file of weights by its first bytes, before anything is loaded.

    Args:
        file: One that is there; safetensors, or what `torch.save` writes.

    Raises:
        SetupError: It is neither, or cannot be read.
    """
    try:
        with file.open("rb") as opened:
            start = opened.read(_HEAD_BYTES)
    except OSError as error:
        raise SetupError(f"{file} cannot be read ({error.strerror}): check its rights") from error
    is_safetensors = start[8:9] == b"{"  # behind the length of its JSON header
    if not (is_safetensors or start.startswith((b"PK", b"\x80"))):  # a zip, or an old pickle
        raise SetupError(
            f"{file} is no checkpoint, nor any file of weights: name a .safetensors, .pt or .bin"
        )


def why_not_loaded(name: str, weights: str, error: Exception) -> str:
    """Return what to do, in one line.

    Args:
        name: Of the model.
        weights: Its checkpoint file, or open_clip's tag.
        error: What loading them raised.
    """
    reason = " ".join(str(error).split()).split(". ")[0][:160]
    if Path(weights).is_file():
        return (
            f"{weights} is no checkpoint of {name} ({reason}): check that the two belong together"
        )
    return (
        f"weights {weights!r} of {name} are not on this machine and could not be fetched: connect"
        " once so that they are cached, copy a checkpoint and name it with --pretrained FILE, or"
        f" use --backbone demo ({reason})"
    )


def why_no_tokenizer(name: str, error: OSError) -> str:
    """Return what to do where a tokenizer's library is here and its files are not, in one line.

    Args:
        name: Of the model.
        error: What loading them raised.
    """
    reason = " ".join(str(error).split())[:160]
    return (
        f"the files of the tokenizer of {name} are not on this machine and could not be fetched:"
        f" connect once so that they are cached ({reason})"
    )
