"""An error of TensorRT has the reasons of its own failure, and of no other."""

from __future__ import annotations

from enum import IntEnum
from types import SimpleNamespace

import pytest

from edgeclip.contract.tensorrt_reasons import Reasons
from edgeclip.errors import BackendError, GpuError


class _Logger:
    """TensorRT's base class of loggers, as far as it is used."""

    class Severity(IntEnum):
        """The lower, the worse."""

        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2


def test_a_reason_stands_in_one_error_alone() -> None:
    reasons = Reasons(SimpleNamespace(ILogger=_Logger))
    logger = reasons.logger()
    logger.log(_Logger.Severity.ERROR, "no\n room")
    logger.log(_Logger.Severity.WARNING, "slow")
    assert str(reasons.error("could not load")) == "TensorRT: could not load: no room"
    assert str(reasons.error("could not run")).endswith("could not run: its logger is silent")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Error Code 1: Cuda Runtime (an illegal memory access was encountered)", GpuError),
        ("Requested amount of GPU memory could not be allocated", GpuError),
        ("deserializeCudaEngine: Error Code 1: Version tag does not match", BackendError),
    ],
)
def test_what_speaks_of_the_gpu_is_told_apart(said: str, kind: type[BackendError]) -> None:
    reasons = Reasons(SimpleNamespace(ILogger=_Logger))
    reasons.logger().log(_Logger.Severity.ERROR, said)
    assert type(reasons.error("could not load")) is kind
