"""An error of TensorRT has the reasons of its own failure, and of no other."""

from __future__ import annotations

from enum import IntEnum
from types import SimpleNamespace

from edgeclip.contract.tensorrt_reasons import Reasons


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
