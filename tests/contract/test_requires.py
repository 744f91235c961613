from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from edgeclip.contract.requires import RUNTIMES, Requirement, require_runtime, satisfies
from edgeclip.errors import BundleMismatchError


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("10.3", True),
        ("10.3.0.30", True),
        ("11.4.0+cuda13", True),
        ("10.2.9", False),
        ("9.20", False),
        ("12.0", False),
    ],
)
def test_versions_are_compared_as_numbers(version: str, *, fits: bool) -> None:
    assert satisfies(version, ">=10.3,<12") is fits


def test_another_version_is_refused_with_both_and_what_to_do() -> None:
    with pytest.raises(BundleMismatchError) as error:
        require_runtime({"onnxruntime": ">=1.18"}, "onnxruntime", "1.17.3")
    assert str(error.value) == (
        "the bundle needs onnxruntime >=1.18, here is 1.17.3: install a version that fits, or"
        " export the bundle again"
    )


def test_a_runtime_that_the_bundle_does_not_name_may_have_any_version() -> None:
    require_runtime({"onnxruntime": ">=1.18"}, "tensorrt", "1.0")


def test_what_this_software_needs_can_stand_in_a_manifest() -> None:
    adapter = TypeAdapter(Requirement)
    assert [adapter.validate_python(text) for text in RUNTIMES.values()] == list(RUNTIMES.values())


@pytest.mark.parametrize("text", ["", "10.3", "==10.3", ">=10.3 <12", ">=ten", ">=10.3,"])
def test_bounds_that_nobody_would_check_are_no_requirement(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Requirement).validate_python(text)
