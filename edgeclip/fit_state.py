"""The state of a fit <-> arrays, and when it is written: so that a fit continues at its step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeclip.run_folder import RunFolder

EVERY_S = 20.0  # lost at the most; writing takes a hundredth of it

Arrays = dict[str, NDArray[np.generic]]


@dataclass
class FitState:
    """All that a step changes; dropout and batches follow from the step's number alone.

    Attributes:
        parameters: That are trained.
        average: Of each parameter over the steps.
        optimizers: With moments that are tensors.
        losses: Of the steps done so far; their number is the next step.
    """

    parameters: Sequence[Tensor]
    average: Sequence[Tensor]
    optimizers: Sequence[torch.optim.Optimizer]
    losses: list[float] = field(default_factory=list)

    def arrays(self) -> Arrays:
        """Return the state; `load` of it gives the same bits."""
        found: Arrays = {"losses": np.asarray(self.losses, np.float64)}
        for index, (parameter, mean) in enumerate(zip(self.parameters, self.average, strict=True)):
            found[f"parameter.{index}"] = parameter.detach().numpy()
            found[f"average.{index}"] = mean.numpy()
        for key, parameter, moments in self._moments():
            for name, value in moments.get(parameter, {}).items():
                found[f"{key}.{name}"] = value.numpy()
        return found

    def load(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over a state.

        Args:
            arrays: From `arrays` of a fit of the same model.

        Raises:
            ValueError: The arrays are of another model; nothing was changed then.
        """
        tensors = {name: torch.from_numpy(value.copy()) for name, value in arrays.items()}
        self._require_fit(tensors)
        self.losses[:] = tensors.pop("losses").tolist()
        for index, (parameter, mean) in enumerate(zip(self.parameters, self.average, strict=True)):
            parameter.data.copy_(tensors.pop(f"parameter.{index}"))
            mean.copy_(tensors.pop(f"average.{index}"))
        for key, parameter, moments in self._moments():
            own = {n: t for n, t in tensors.items() if n.startswith(f"{key}.")}
            if own:
                moments[parameter] = {
                    name.removeprefix(f"{key}."): _like(parameter, value)
                    for name, value in own.items()
                }

    def _moments(self) -> Iterator[tuple[str, Tensor, dict[Tensor, dict[str, Tensor]]]]:
        """Yield a name, a parameter, and the optimiser's state that it belongs to."""
        for number, optimizer in enumerate(self.optimizers):
            own = [p for group in optimizer.param_groups for p in group["params"]]
            for index, parameter in enumerate(own):
                yield f"optimizer.{number}.{index}", parameter, optimizer.state

    def _require_fit(self, tensors: Mapping[str, Tensor]) -> None:
        shapes = {"losses": tensors["losses"].shape if "losses" in tensors else None}
        for index, parameter in enumerate(self.parameters):
            shapes |= {f"{name}.{index}": parameter.shape for name in ("parameter", "average")}
        for name, shape in shapes.items():
            if name not in tensors or tensors[name].shape != shape:
                raise ValueError(f"{name} is missing or has another shape")


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """Return a moment laid out in memory as the optimiser lays it out."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value


class Checkpoint:
    """Where the state of one fit is kept while it runs.

    Args:
        run: The folder of the run.
        name: Of the fit, by its content.
        keeps_end: Whether the state after the last step is kept too, where it is the result.
    """

    def __init__(self, run: RunFolder, name: str, *, keeps_end: bool = False) -> None:
        self._run, self._name, self._keeps_end = run, name, keeps_end
        self._written_at = run.clock()

    def restore(self, state: FitState) -> None:
        """Bring a fresh state to where an interrupted fit was, if there was one."""
        arrays = self._run.get(self._name)
        if arrays is None:
            return
        try:
            state.load(arrays)
        except ValueError as error:
            self._run.leave_aside(self._name, str(error))
            return
        self._run.taken.steps += len(state.losses)

    def offer(self, state: FitState, *, is_last: bool) -> None:
        """Write the state if that is due; call it after each step."""
        is_due = self._run.clock() - self._written_at >= EVERY_S
        if self._keeps_end if is_last else is_due:
            self._run.put(self._name, state.arrays())
            self._written_at = self._run.clock()

    def drop(self) -> None:
        """Forget the state: what the fit was for is finished."""
        self._run.drop(self._name)
