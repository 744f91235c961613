"""How long a board needs at least to read an engine's weights once from its memory."""

from __future__ import annotations

from edgeclip_export.board import Board

_GB_S = {"AGX Orin": 204.8, "Orin NX": 102.4, "Orin Nano": 102.4}
"""Memory bandwidth at the module's full memory clock, by a part of the device tree's model name.

NVIDIA, technical specifications of the Jetson modules: LPDDR5 at 3199 MHz, two bits a line and
clock; 256 lines on an AGX Orin, 128 on an Orin NX and an Orin Nano. Modules before Orin are not
here: none runs a TensorRT that these graphs are for.
"""
_FULL_CLOCK = ("25W", "MAXN_SUPER")
"""Power modes of an Orin Nano with the full clock; the others stay at 2133 MHz, as `nvpmodel.conf`
of JetPack 6.2 says under EMC."""
_HALF_MODULE_MB = 5000  # the Orin Nano with 4 GB has 64 lines


def memory_gb_s(board: Board) -> float | None:
    """Return a board's memory bandwidth, 1e9 bytes/s; None where the board is not known.

    Args:
        board: With the name of its model and its power mode.
    """
    name = next((name for name in _GB_S if name in board.model), None)
    if name is None:
        return None
    bandwidth = _GB_S[name]
    if name == "Orin Nano":
        bandwidth *= 1.0 if board.power_mode in _FULL_CLOCK else 2133 / 3199
        bandwidth *= 0.5 if board.memory_mb < _HALF_MODULE_MB else 1.0
    return round(bandwidth, 1)


def floor_ms(weights_bytes: int, gb_s: float) -> float:
    """Return the time that reading all weights once takes, ms; at batch 1 no engine is faster.

    Args:
        weights_bytes: Of the encoder, as the engine holds them.
        gb_s: Memory bandwidth, 1e9 bytes/s.
    """
    return weights_bytes / (gb_s * 1e6)
