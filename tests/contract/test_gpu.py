from __future__ import annotations

import subprocess

import pytest

from edgeclip.contract.gpu import find_gpu


def test_a_gpu_that_does_not_exist_is_none() -> None:
    assert find_gpu(10_000) is None


@pytest.mark.gpu
def test_the_gpu_is_the_one_that_the_vendors_tool_names() -> None:
    listed = subprocess.run(
        ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=True,
    )
    gpu = find_gpu()
    assert gpu is not None
    assert f"{gpu.name}, {gpu.compute_capability}" in listed.stdout
    assert gpu.sm_count > 0
