"""What `edgeclip predict` says at its end: lines and the next command for people, or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.markup import escape

from edgeclip.cli_output import next_command, print_json, show
from edgeclip.contract.plurals import counted

if TYPE_CHECKING:
    from edgeclip.archive.predicting import Output
    from edgeclip.archive.request import PredictRequest
    from edgeclip.archive.results import Results


def print_results(results: Results) -> None:
    """Print what a run came to, for a machine."""
    print_json(
        {
            "images": results.images,
            "already": results.already,
            "failures": results.failures,
            "decided": dict(results.decided),
            "answered_by": results.answered.to_json(),
            "strangeness": results.strangeness.to_json(),
            "notes": results.notes,
            "files": [str(path) for path in results.files],
        }
    )


def show_results(results: Results, request: PredictRequest, output: Output) -> None:
    """Print what a run came to, and what usually comes next, for a person.

    Args:
        results: Of the run.
        request: What was asked for; the next command repeats it.
        output: Likewise.
    """
    show(f"{counted(results.images, 'image')}, {results.failures} could not be read")
    if said := results.answered.line():
        show(escape(said))
    for name, count in results.decided.most_common():
        show(escape(f"{name}: {counted(count, 'image')} at its threshold or above"))
    for note in results.notes:
        show(f"[bold yellow]{escape(note)}[/]")
    for path in results.files:
        show(escape(f"wrote {path}"))
    if results.failures < results.images and not output.has_sheets():
        next_command([*_words(request, output), "--format", "sheets"])


def _words(request: PredictRequest, output: Output) -> Iterator[str]:
    """Yield the command of a run without its formats: each option that makes it this run."""
    from edgeclip.archive.answering import Asked
    from edgeclip.archive.predicting import Output
    from edgeclip.archive.request import PredictRequest

    asked = request.asked
    yield from ("edgeclip", "predict", request.source)
    options = {
        "--pack": asked.path,
        "--out": output.folder,
        "--task": asked.task,
        "--backend": _unless(asked.backend, Asked.backend),
        "--backbone": asked.backbone,
        "--pretrained": asked.pretrained,
        "--data-dir": request.data_dir,
        "--boxes": request.boxes,
        "--box-threshold": _unless(request.box_threshold, PredictRequest.box_threshold),
        "--tz": _unless(request.zone, PredictRequest.zone),
        "--part-images": _unless(output.part_images, Output.part_images),
    }
    for option, value in options.items():
        if value is not None:
            yield from (option, str(value))
    for key, said in request.facts.items():
        yield from ("--fact", f"{key}={said}")
    if not output.heat_boxes:
        yield "--no-heat-boxes"


def _unless(value: object, usual: object) -> object:
    """Return a value; None for the usual one, which need not be said."""
    return None if value == usual else value
