"""Who answers, over a sequence of tasks: accuracy, forgetting, the router's own accuracy, and cost.

    python -m benchmarks.router [--images 60] [--test 30] [--seed 1] [--out FILE]

Five rendered tasks, one after the other, each a pack of its own by `edgeclip train --packs`. After
each, what the packs say of the test images of all tasks so far, routed by static keys (region and
light, which a camera knows), by prototypes, by a learned gate, and by an oracle that knows the
task; beside them one pack trained on all tasks at once, and one head trained on task after task.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from benchmarks._kept import show_and_keep
from benchmarks._router_tasks import (
    CLASSES,
    TASKS,
    Seen,
    Task,
    class_options,
    encoded,
    hashes,
    joined,
    rendered,
    size_bytes,
)
from edgeclip.cli import app
from edgeclip.clip import Backbone, load_backbone
from edgeclip.combining import combine
from edgeclip.contract.routing import pack_logits, share_out
from edgeclip.registry.folder import find_pack, read_registry
from edgeclip.routed_packs import RoutedPacks, load_routed

RESULT = Path(__file__).parent / "results/router.json"
TEACHING, TESTING = range(6), range(6, 10)  # places of a region
ROUNDS = 300
KINDS: dict[str, tuple[bool, int | None]] = {
    "static keys": (True, None),
    "prototypes": (False, None),
    "learned gate": (False, 1),
    "learned gate, k = 2": (False, 2),
}
"""Whether packs have static keys, and how many a learned gate lets answer."""

_STEPS, _RATE, _SCALE = 300, 0.003, 30.0  # of the head that is trained on task after task

Said = tuple[NDArray[np.int64], float | None, float | None]
"""Classes, the share of images that their own pack answered, and the share that no pack did."""
Answer = Callable[[Seen, Task], Said]


def trained(table: Path, *place: str) -> None:
    """Train a pack by the command that people use."""
    arguments = [
        "train", "--data", str(table), "--backbone", "demo", "--method", "gda",
        *class_options(), "--target", CLASSES[0], *place,
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        app(arguments, standalone_mode=False)


def by_set(routed: RoutedPacks) -> Answer:
    """Return what a set answers."""
    order = np.array([CLASSES.index(name) for name in routed.manifest.class_names])

    def answer(seen: Seen, task: Task) -> Said:
        said = routed.answer(seen.base, [task.facts] * len(seen.base))
        own = float(np.mean([name == task.name for name in said.chosen]))
        none = float(np.mean([name is None for name in said.chosen]))
        return order[said.probabilities.argmax(axis=1)], own, none

    return answer


def by_oracle(routed: RoutedPacks) -> Answer:
    """Return what the pack of the right task answers."""
    return lambda seen, task: (classes_of(routed, task.name, seen), 1.0, 0.0)


def by_one(routed: RoutedPacks) -> Answer:
    """Return what the one pack answers, whatever the image."""
    return lambda seen, _: (classes_of(routed, next(iter(routed.packs)), seen), None, None)


def classes_of(routed: RoutedPacks, name: str, seen: Seen) -> NDArray[np.int64]:
    """Return the classes that one pack of a set names."""
    pack = routed.packs[name]
    columns = pack_logits(pack.tensors, seen.base).argmax(axis=1)
    names = [pack.manifest.class_names[index] for index in pack.manifest.column_class]
    order = np.array([CLASSES.index(name) for name in names], np.int64)
    return np.asarray(order[columns])


def judged(answer: Answer, tests: Mapping[str, Seen], tasks: Sequence[Task]) -> dict[str, Any]:
    """Return the accuracy on each task, and the share of images that their own pack answered."""
    accuracy: dict[str, float] = {}
    own: list[float] = []
    none: list[float] = []
    for task in tasks:
        found, right, nobody = answer(tests[task.name], task)
        accuracy[task.name] = float((found == tests[task.name].labels).mean())
        own += [] if right is None else [right]
        none += [] if nobody is None else [nobody]
    return {
        "accuracy": accuracy,
        "mean": float(np.mean(list(accuracy.values()))),
        "own_pack": float(np.mean(own)) if own else None,
        "prompts_alone": float(np.mean(none)) if none else None,
    }


def one_head(
    start: NDArray[np.float32], teach: Mapping[str, Seen], tests: Mapping[str, Seen]
) -> list[dict[str, Any]]:
    """Return after each task what one head knows that is trained on task after task.

    Args:
        start: `(E, C)` float32, the class matrix of the prompts, in the order of `CLASSES`.
        teach: Images of each task to learn from.
        tests: To judge on.
    """
    weights = torch.from_numpy(start.copy()).requires_grad_()
    optimizer = torch.optim.Adam([weights], lr=_RATE)
    found = []
    for number, task in enumerate(TASKS, 1):
        base, labels = (torch.from_numpy(own) for own in vars(teach[task.name]).values())
        for _ in range(_STEPS):
            optimizer.zero_grad()
            loss = cross_entropy(_SCALE * base @ weights, labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        found.append(judged(_by_matrix(weights.detach().numpy().copy()), tests, TASKS[:number]))
    return found


def _by_matrix(matrix: NDArray[np.float32]) -> Answer:
    return lambda seen, _: ((seen.base @ matrix).argmax(axis=1), None, None)


def forgetting(history: Sequence[Mapping[str, Any]]) -> float:
    """Return by how much accuracy on earlier tasks lies below its best so far, on average."""
    last = history[-1]["accuracy"]
    lost = [
        max(step["accuracy"][task.name] for step in history[number:]) - last[task.name]
        for number, task in enumerate(TASKS[:-1])
    ]
    return float(np.mean(lost))


def costs(sets: Mapping[str, RoutedPacks], backbone: Backbone) -> dict[str, float]:
    """Return ms of one frame, interleaved, the least of many: encoder, routing, a pack's answer."""
    size = backbone.base.image_size
    image = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    base = backbone.embed_images(image)[1].numpy()
    base /= np.linalg.norm(base)
    facts = [TASKS[0].facts]
    pack = next(iter(sets["prototypes"].packs.values()))
    timed: dict[str, Callable[[], object]] = {
        "encoder": lambda: backbone.embed_images(image),
        **{name: partial(share_out, own.rows, base, facts, own.gate) for name, own in sets.items()},
        "answer of a pack": lambda: pack_logits(pack.tensors, base),
    }
    least = dict.fromkeys(timed, float("inf"))
    for _ in range(ROUNDS):
        for name, run in timed.items():
            began = time.thread_time_ns()
            run()
            least[name] = min(least[name], (time.thread_time_ns() - began) / 1e6)
    return {name: round(ms, 4) for name, ms in least.items()}


class Workplace:
    """The images of all tasks, and the packs that are trained on them one after the other."""

    def __init__(self, folder: Path, images: int, test: int, seed: int) -> None:
        self.folder, self.packs = folder, folder / "packs"
        self.backbone = load_backbone("demo")
        self.tables: dict[str, Path] = {}
        self.teach: dict[str, Seen] = {}
        self.tests: dict[str, Seen] = {}
        for task in TASKS:
            own = folder / "images" / task.name
            table = rendered(own / "teach", task, places=TEACHING, images=images, seed=seed)
            other = rendered(own / "test", task, places=TESTING, images=test, seed=seed)
            self.tables[task.name] = table
            self.teach[task.name] = encoded(table, task, self.backbone)
            self.tests[task.name] = encoded(other, task, self.backbone)

    def sets(self, tasks: Sequence[Task]) -> dict[str, RoutedPacks]:
        """Return the packs so far as a set of each kind; a gate takes two."""
        held = read_registry(self.packs)
        parts = [(task.name, find_pack(held, task.name).path) for task in tasks]
        made = {}
        for name, (by_keys, k) in KINDS.items():
            if k is None or len(tasks) >= k + (k == 1):
                out = self.folder / "sets" / f"{name} {len(tasks)}"
                combine(parts, out, {task.name: task.facts for task in tasks if by_keys}, k)
                made[name] = load_routed(out)
        return made


def measured(place: Workplace) -> dict[str, Any]:
    """Train task after task, and judge after each."""
    history: dict[str, list[dict[str, Any]]] = {"prototypes": []}  # begins those that take two
    bits: dict[str, str] = {}
    said: dict[str, NDArray[np.float32]] = {}
    sets: dict[str, RoutedPacks] = {}
    changed = 0
    for number, task in enumerate(TASKS, 1):
        trained(place.tables[task.name], "--packs", str(place.packs), "--task", task.name)
        now = hashes(place.packs)
        changed += sum(now.get(file) != sha256 for file, sha256 in bits.items())
        bits = now
        sets = place.sets(TASKS[:number])
        packs = sets["prototypes"]
        logits = {
            own.name: pack_logits(packs.packs[own.name].tensors, place.tests[own.name].base)
            for own in TASKS[:number]
        }
        changed += sum(not np.array_equal(logits[name], own) for name, own in said.items())
        said = logits
        answers = {name: by_set(own) for name, own in sets.items()} | {"oracle": by_oracle(packs)}
        for name, answer in answers.items():
            step = judged(answer, place.tests, TASKS[:number])
            history.setdefault(name, list(history["prototypes"][: number - 1])).append(step)
    history["one head, task after task"] = one_head(
        _start(sets["prototypes"]), place.teach, place.tests
    )
    merged = joined(list(place.tables.values()), place.folder / "all.csv")
    trained(merged, "--out", str(place.folder / "merged"), "--task", "all")
    history["one pack of all tasks"] = [
        judged(by_one(load_routed(place.folder / "merged")), place.tests, TASKS)
    ]
    chosen = {name: own for name, own in sets.items() if name != "static keys"}
    return {
        "tasks": [vars(task) for task in TASKS],
        "after_all": {
            name: {**steps[-1], "lost": forgetting(steps) if len(steps) == len(TASKS) else None}
            for name, steps in history.items()
        },
        "after_each": {name: [step["mean"] for step in steps] for name, steps in history.items()},
        "changed_files_or_outputs": changed,
        "bytes": {task.name: size_bytes(place.packs / task.name) for task in TASKS},
        "gate_bytes": size_bytes(place.folder / f"sets/learned gate {len(TASKS)}", "gate.*"),
        "ms": costs(chosen, place.backbone),
    }


def _start(routed: RoutedPacks) -> NDArray[np.float32]:
    """Return the class matrix of the prompts, `(E, C)`, in the order of `CLASSES`."""
    weights, columns = routed.zero_shot["class_weights"], np.array(routed.manifest.column_class)
    names = routed.manifest.class_names
    means = [weights[:, columns == names.index(name)].mean(axis=1) for name in CLASSES]
    return np.stack(means, axis=1).astype(np.float32)


def main() -> None:
    """Measure, show and write."""
    parser = argparse.ArgumentParser(description="Routing over a sequence of rendered tasks.")
    parser.add_argument("--images", type=int, default=60, help="of each class and task, to learn")
    parser.add_argument("--test", type=int, default=30, help="of each class and task, to judge")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULT, help="JSON to be written")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        result = measured(Workplace(Path(folder), asked.images, asked.test, asked.seed))
    settings = {"images": asked.images, "test": asked.test, "seed": asked.seed}
    show_and_keep(asked.out, "router", settings, result)


if __name__ == "__main__":
    main()
