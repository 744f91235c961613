"""One file for the large tensors of several graphs, each stored once, as ONNX's external data."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

WEIGHTS_FILE = "weights.fp16.bin"
_PAGE_BYTES = 4096  # what can be mapped into memory begins on a page


class Span(NamedTuple):
    """Where a tensor lies in the file, bytes."""

    offset: int
    length: int


class WeightFile:
    """A file that is being written; tensors of equal bytes share a place.

    Args:
        path: The file, which must not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._file: BinaryIO = path.open("xb")
        self._spans: dict[str, Span] = {}

    def __enter__(self) -> WeightFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def has(self, array: NDArray[np.generic]) -> bool:
        """Return whether a tensor of the same type and bytes is in the file."""
        return _digest(array) in self._spans

    def add(self, array: NDArray[np.generic]) -> Span:
        """Return where a tensor lies, writing it where it is new.

        Args:
            array: Of any type and shape; little endian, as ONNX wants it.

        Raises:
            OSError: The disk is full.
        """
        digest = _digest(array)
        if digest not in self._spans:
            offset = -(-self._file.tell() // _PAGE_BYTES) * _PAGE_BYTES
            self._file.seek(offset)
            self._file.write(np.ascontiguousarray(array).data)
            self._file.flush()
            self._spans[digest] = Span(offset, array.nbytes)
        return self._spans[digest]

    def place(self, tensor: onnx.TensorProto, array: NDArray[np.generic]) -> None:
        """Let a graph's tensor take its values from the file.

        Args:
            tensor: Without values of its own; its type and shape are made the array's.
            array: The values.

        Raises:
            OSError: The disk is full.
        """
        span = self.add(array)
        tensor.ClearField("raw_data")
        tensor.data_type = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        del tensor.external_data[:]
        for key, value in (("location", self.name), *span._asdict().items()):
            tensor.external_data.add(key=key, value=str(value))


def _digest(array: NDArray[np.generic]) -> str:
    digest = hashlib.sha256(f"{array.dtype}\n".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
