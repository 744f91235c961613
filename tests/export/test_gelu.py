"""GELU in a graph, exact and by its tanh, beside torch's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgeclip_export.graph_rules import OPSET
from edgeclip_export.onnx_graph import TRANSLATIONS, quiet_exporter


class _Gelu(nn.Module):
    def __init__(self, approximate: str) -> None:
        super().__init__()
        self._approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        return functional.gelu(x, approximate=self._approximate)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_a_graph_computes_what_torch_does_up_to_the_largest_values(
    approximate: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    x = torch.tensor([-60000, -300, -3, -0.7, -1e-3, 0, 1e-3, 0.7, 3, 300, 60000], dtype=dtype)
    model, path = _Gelu(approximate).eval(), tmp_path / "gelu.onnx"
    with quiet_exporter():
        program = torch.onnx.export(
            model, (x,), dynamo=True, opset_version=OPSET, input_names=["x"],
            custom_translation_table=TRANSLATIONS, verbose=False,
        )  # fmt: skip
    assert program is not None
    program.save(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    [found] = session.run(None, {"x": x.numpy()})
    expected = model(x).float().numpy()
    np.testing.assert_allclose(found.astype(np.float32), expected, rtol=2e-3, atol=2e-3)
