"""Contact sheets: for each target the images that are surest of it, to look through at once."""

from __future__ import annotations

import heapq
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.archive.about import About
from edgeclip.archive.deciding import Deciders
from edgeclip.archive.index import Row
from edgeclip.archive.part_work import PartWork
from edgeclip.contract.files import new_folder, write_bytes
from edgeclip.contract.plurals import counted
from edgeclip.contract.preprocess import decode_image
from edgeclip.contract.preprocess_spec import Box
from edgeclip.errors import DataError

COLUMNS, LINES, SHEETS_EACH = 6, 5, 2
_TILE = (240, 180)  # width, height
_HEAD_PX = 34
_FOOT_PX = 38
_INK = (235, 235, 235)
_BOX_INK = (255, 216, 77)  # BGR, the blue of such boxes on the dashboard
_BOX_PX = 2  # colour is stored at half the sharpness: of one pixel little would be left
_PAPER = (24, 24, 24)
_MOST_NAME = 30  # letters of a tile's width, beside the probability
_MOST_FOLDER = 35
DRAWS_ALL_LETTERS = hasattr(cv2, "FontFace")  # since OpenCV 5; before, those of ASCII alone


def write_sheets(folder: Path, rows: Iterable[Row], about: About, work: PartWork) -> list[Path]:
    """Write JPEGs of the surest images of each target, the surest first, boxed where they say.

    Args:
        folder: Made anew.
        rows: All images.
        about: The run.
        work: Opens the archive.

    Returns:
        The sheets; none of a target that no image is of.

    Raises:
        OSError: The disk is full.
    """
    best, counts = _surest(rows, about)
    written = []
    with new_folder(folder, overwrite=folder.exists()) as temporary:
        for target, found in best.items():
            for number, first in enumerate(range(0, len(found), COLUMNS * LINES), start=1):
                name = f"{_file_name(target)}-{number}.jpg"
                last = min(first + COLUMNS * LINES, len(found))
                shown = Shown(target, first + 1, last, len(found), counts[target])
                sheet = _sheet(found[first:last], heading(shown, about.deciders), work)
                _, encoded = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, 88])
                write_bytes(temporary / name, encoded.tobytes())
                written.append(folder / name)
        if not written:
            write_bytes(temporary / "no-target-was-seen.txt", b"no image reaches a threshold\n")
    return written


class Shown(NamedTuple):
    """What a sheet shows of a target.

    Attributes:
        target: Its name.
        first: Of its images, the surest is 1.
        last: Likewise, inclusive.
        drawn: On all sheets together.
        reached: Images at a threshold or above.
    """

    target: str
    first: int
    last: int
    drawn: int
    reached: int


def heading(shown: Shown, deciders: Deciders) -> str:
    """Return what stands above a sheet, in letters that OpenCV can draw.

    Args:
        shown: Of the sheet.
        deciders: Whose thresholds decide.
    """
    packs = deciders.packs.values()
    ons = sorted({own.thresholds[shown.target].on for own in packs if shown.target in own.targets})
    at = f"{ons[0]:.2f}" if len(ons) == 1 else f"{ons[0]:.2f} to {ons[-1]:.2f}, as its pack says"
    rest = f"; {shown.drawn} are drawn" if shown.drawn < shown.reached else ""
    said = (
        f"{shown.target}: {shown.first} to {shown.last} of {counted(shown.reached, 'image')} at the"
        f" threshold ({at}) or above, the surest first{rest}"
    )
    return _drawable(said)


def caption(sure: float, file: str) -> tuple[str, str]:
    """Return the two lines below an image: probability and name, and the folder that it lies in.

    Args:
        sure: Probability of the target, in [0, 1].
        file: The image's name in the archive.
    """
    folder, _, name = file.rpartition("/")
    return f"{sure:.2f} {_short(name, _MOST_NAME)}", _short(folder, _MOST_FOLDER)


class _Found(NamedTuple):
    """An image of a sheet; compared by how sure it is, then by its place in the list.

    Attributes:
        sure: Probability of the target, in [0, 1].
        number: Minus its place in the list, which no two share.
        file: Its name in the archive.
        box: Around the target, relative to the frame, or None.
    """

    sure: float
    number: int
    file: str
    box: Box | None


def _surest(rows: Iterable[Row], about: About) -> tuple[dict[str, list[_Found]], Mapping[str, int]]:
    """Return the images to draw of each target, and how many there are."""
    most = COLUMNS * LINES * SHEETS_EACH
    heaps: dict[str, list[_Found]] = {name: [] for name in about.deciders.targets}
    counts: Counter[str] = Counter()
    for number, row in enumerate(rows):
        record = row.record
        target = about.decision(record.probabilities, record.pack)
        if record.failure is not None or target is None:
            continue
        counts[target] += 1
        sure = record.probabilities[about.manifest.class_names.index(target)]
        heapq.heappush(heaps[target], _Found(sure, -number, record.file, record.where))
        if len(heaps[target]) > most:
            heapq.heappop(heaps[target])
    return {name: sorted(heap, reverse=True) for name, heap in heaps.items() if heap}, counts


def _sheet(found: Sequence[_Found], head: str, work: PartWork) -> NDArray[np.uint8]:
    width, height = _TILE
    lines = -(-len(found) // COLUMNS)
    sheet = np.full((_HEAD_PX + lines * (height + _FOOT_PX), COLUMNS * width, 3), _PAPER, np.uint8)
    _write(sheet, head, (8, 22), 0.5)
    for number, one in enumerate(found):
        x, y = number % COLUMNS * width, _HEAD_PX + number // COLUMNS * (height + _FOOT_PX)
        sheet[y : y + height, x : x + width] = _tile(one, work)
        foot = sheet[y + height : y + height + _FOOT_PX, x : x + width]  # wide letters end with it
        for line, text in enumerate(caption(one.sure, one.file)):
            _write(foot, text, (4, 14 + 15 * line), 0.36)
    return sheet


def _write(sheet: NDArray[np.uint8], text: str, place: tuple[int, int], size: float) -> None:
    cv2.putText(sheet, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)


def _tile(found: _Found, work: PartWork) -> NDArray[np.uint8]:
    """Return an image that fits a tile, BGR; of one that is gone by now, the empty tile."""
    width, height = _TILE
    tile = np.full((height, width, 3), _PAPER, np.uint8)
    try:
        frame = decode_image(work.store.read(found.file))
    except DataError:
        return tile
    scale = min(width / frame.shape[1], height / frame.shape[0])
    size = max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    x, y = (width - size[0]) // 2, (height - size[1]) // 2
    tile[y : y + size[1], x : x + size[0]] = small[..., ::-1]
    if found.box:
        _draw(tile[y : y + size[1], x : x + size[0]], found.box)
    return tile


def _draw(image: NDArray[np.uint8], box: Box) -> None:
    """Draw a box, relative to a small image, onto it."""
    height, width = image.shape[:2]
    x, y, wide, tall = box
    first = round(x * width), round(y * height)
    last = round((x + wide) * width) - 1, round((y + tall) * height) - 1
    cv2.rectangle(image, first, last, _BOX_INK, _BOX_PX)


def _short(text: str, most: int) -> str:
    """Return a name without its middle where it is too long: beginnings and ends tell apart."""
    before = (most - 2) // 2
    fits = len(text) <= most
    return _drawable(text if fits else f"{text[:before]}..{text[len(text) - most + before + 2 :]}")


def _drawable(text: str) -> str:
    """Return a text in one line, in letters that this OpenCV can draw."""
    composed = unicodedata.normalize("NFC", text)  # macOS writes a letter and its mark apart
    line = "".join(" " if unicodedata.category(own)[0] == "C" else own for own in composed)
    return line if DRAWS_ALL_LETTERS else line.encode("ascii", "replace").decode()


def _file_name(target: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in target)
