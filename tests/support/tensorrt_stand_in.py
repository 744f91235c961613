"""A strict stand-in for TensorRT: refuses what was not declared here.

It runs the tiny bundle's graph with ONNX Runtime on the bytes that were copied to it, so that
addresses, shapes and types must be right for the outputs to be.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime

from edgeclip.contract.slots import GRAPH_OUTPUTS, OUTPUTS_OF, SLOTS_OF, GraphKind
from support.cuda_stand_in import FakeDriver
from support.tiny_bundle import CELLS, EMBED_DIM, SIZE, WIDTH

LARGEST = {"1": 1, "D": WIDTH, "E": EMBED_DIM, "H": 4, "d": 2, "M": 2, "K": 3, "C": 2}
LARGEST["N"] = CELLS * CELLS
MOST_IMAGES = 2
ENGINE = b"an engine"


class Dims:
    """Sizes; as TensorRT's, it is a sequence without an iterator of its own."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self._sizes = sizes

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, index: int) -> int:
        return self._sizes[index]


class DataType:
    """Types of tensors."""

    FLOAT = "FLOAT"
    UINT8 = "UINT8"
    HALF = "HALF"


class TensorIOMode:
    """Which way a tensor goes."""

    INPUT = "INPUT"
    OUTPUT = "OUTPUT"


class ILogger:
    """What TensorRT logs to."""

    class Severity:
        """As numbers, the worst first."""

        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2

    def log(self, severity: int, msg: str) -> None:
        """Must be overridden."""
        raise NotImplementedError


@dataclass
class StandIn:
    """What a test may bend, and what it may look at.

    Attributes:
        graph: The tiny bundle's graph.
        fails: Names of calls that answer as TensorRT does when it fails.
        types: Types of tensors, where they are to be others than the contract's.
        surplus: Names of tensors that the engine has beside the contract's.
        kind: Which slots the graph has.
        baked: Whether a pack is in the graph, so that it has no slots.
        largest: Sizes of the profile by letter; N is the number of patches.
    """

    graph: Path
    fails: set[str] = field(default_factory=set)
    types: dict[str, str] = field(default_factory=dict)
    surplus: tuple[str, ...] = ()
    executions: int = 0
    kind: GraphKind = "head"
    baked: bool = False
    largest: Mapping[str, int] = field(default_factory=lambda: LARGEST)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Of the engine."""
        return ("images",) if self.baked else ("images", *SLOTS_OF[self.kind])

    def module(self) -> ModuleType:
        """Return what `import tensorrt` would give."""
        made = ModuleType("tensorrt")
        made.__dict__.update(
            {
                "DataType": DataType,
                "Dims": Dims,
                "ILogger": ILogger,
                "TensorIOMode": TensorIOMode,
                "Runtime": lambda logger: Runtime(self, logger),
                "__version__": "10.3.0",
            }
        )
        return made


class Runtime:
    """Loads engines."""

    def __init__(self, stand_in: StandIn, logger: ILogger) -> None:
        self._stand_in = stand_in
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None:
        """Return the engine, or None with the reason in the log."""
        if serialized_engine != ENGINE or "deserialize" in self._stand_in.fails:
            self._logger.log(ILogger.Severity.WARNING, "of no importance")
            self._logger.log(ILogger.Severity.ERROR, "the engine is\nof another version")
            return None
        return Engine(self._stand_in, self._logger)


class Engine:
    """A loaded engine."""

    def __init__(self, stand_in: StandIn, logger: ILogger) -> None:
        self._stand_in = stand_in
        self._logger = logger
        self._names = [*stand_in.inputs, *OUTPUTS_OF[stand_in.kind], *stand_in.surplus]
        self.num_io_tensors = len(self._names)

    def get_tensor_name(self, index: int) -> str:
        """Return a tensor's name."""
        return self._names[index]

    def get_tensor_dtype(self, name: str) -> str:
        """Return a tensor's type."""
        usual = DataType.UINT8 if name == "images" else DataType.FLOAT
        return self._stand_in.types.get(name, usual)

    def get_tensor_mode(self, name: str) -> str:
        """Return which way a tensor goes."""
        is_output = name in (*OUTPUTS_OF[self._stand_in.kind], *self._stand_in.surplus)
        return TensorIOMode.OUTPUT if is_output else TensorIOMode.INPUT

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        """Return the smallest, usual and largest sizes of an input."""
        assert profile_index == 0
        largest = (MOST_IMAGES, SIZE, SIZE, 3) if name == "images" else self._largest(name)
        return [Dims(largest)] * 3

    def _largest(self, name: str) -> tuple[int, ...]:
        dims = SLOTS_OF[self._stand_in.kind][name].dims
        return tuple(self._stand_in.largest[dim] for dim in dims)

    def create_execution_context(self) -> Context | None:
        """Return a context, or None."""
        return None if "context" in self._stand_in.fails else Context(self._stand_in, self._logger)


class Context:
    """Runs an engine."""

    def __init__(self, stand_in: StandIn, logger: ILogger) -> None:
        self._stand_in = stand_in
        self._logger = logger
        self._addresses: dict[str, int] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._session = onnxruntime.InferenceSession(
            str(stand_in.graph), providers=["CPUExecutionProvider"]
        )

    def set_tensor_address(self, name: str, memory: int) -> bool:
        """Take an address."""
        self._addresses[name] = memory
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        """Take a shape, unless it is to fail."""
        self._shapes[name] = shape
        return "shape" not in self._stand_in.fails

    def get_tensor_shape(self, name: str) -> Dims:
        """Return an output's shape, which the inputs' shapes give."""
        embed_dim, columns = self._shapes.get("class_weights", (EMBED_DIM, self._columns()))
        last = embed_dim if name in GRAPH_OUTPUTS[:2] else columns
        first = -1 if "unknown" in self._stand_in.fails else self._shapes["images"][0]
        is_map = name in ("attention", "patch_scores")
        patches = (self._stand_in.largest["N"],) if is_map else ()
        return Dims((first, *patches, last))

    def _columns(self) -> int:
        """Return K of a graph with a pack in it."""
        (found,) = (o.shape[-1] for o in self._session.get_outputs() if o.name == "logits")
        return int(found) if isinstance(found, int) else -1

    def execute_async_v3(self, stream_handle: int) -> bool:
        """Compute the outputs from the bytes at the addresses, or have it captured."""
        driver = FakeDriver.STREAMS[stream_handle]
        if "execute" in self._stand_in.fails:
            self._logger.log(ILogger.Severity.ERROR, "out of memory")
            return False
        self._stand_in.executions += 1
        shapes = dict(self._shapes)  # a graph keeps those of its capture
        if driver.capturing is None:
            self._compute(shapes)
        elif "capture" in self._stand_in.fails:
            self._logger.log(ILogger.Severity.ERROR, "this engine cannot be captured")
            return False
        else:
            driver.capturing.append(lambda: self._compute(shapes))
        return True

    def _compute(self, shapes: dict[str, tuple[int, ...]]) -> None:
        kind = self._stand_in.kind
        feeds = {name: self._array(name, shapes[name]) for name in self._stand_in.inputs}
        outputs = OUTPUTS_OF[kind]
        for name, value in zip(outputs, self._session.run(list(outputs), feeds), strict=True):
            found = value[:, ::-1].copy() if "values" in self._stand_in.fails else value
            ctypes.memmove(self._addresses[name], found.ctypes.data, found.nbytes)

    def _array(self, name: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        kind: type[np.generic] = np.uint8 if name == "images" else np.float32
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        return np.frombuffer(ctypes.string_at(self._addresses[name], size), kind).reshape(shape)
