from __future__ import annotations

import pytest

from edgeclip.costs import added_macs, filled_beyond_zero_shot
from edgeclip.errors import ConfigError
from edgeclip.methods import parse_method


def test_a_method_joins_components_and_costs_what_the_dearest_costs() -> None:
    method = parse_method("head+visual")
    assert set(method.kinds) == {"head", "visual"}
    assert method.fusion == "F1"
    assert parse_method("head").fusion == "F0"


def test_zero_shot_has_no_component() -> None:
    assert parse_method("zero-shot").kinds == ()
    assert parse_method("zero-shot").shares == (1.0,)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("visal", "'visal' is not known: did you mean visual"),
        ("visual+", "'' is not known"),
        ("visual+visual", "name each part once"),
        ("", "'' is not known: methods are"),
    ],
)
def test_a_name_that_is_none_is_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("+", r"\+")):
        parse_method(name)


def test_the_cost_of_a_pack_is_its_products() -> None:
    slots = {
        "va_down": (512, 128), "va_up": (128, 512), "va_ratio": (1,), "class_weights": (512, 2),
        "class_bias": (2,), "logit_scale": (1,),
    }  # fmt: skip
    assert added_macs(slots) == 131_072
    assert filled_beyond_zero_shot(slots) == ("va_down", "va_up", "va_ratio")


def test_a_block_adapter_costs_its_products_for_each_token() -> None:
    slots = {"ba_down": (4, 768, 16), "ba_down_bias": (4, 16), "ba_up": (4, 16, 768),
             "ba_up_bias": (4, 768)}  # fmt: skip
    assert added_macs(slots, tokens=50) == 50 * 4 * 2 * 768 * 16


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("linear+proj", "linear and proj have the same place: choose one"),
        ("mlp_ln+lora", "mlp_ln is baked behind the encoder as it is, and lora looks into it"),
        ("block+lora", "block binds slots inside a ViT, lora changes the weights of a ViT: choose"),
        ("ln+stages+head", "ln changes the weights of a ViT, stages is made for a ResNet: choose"),
    ],
)
def test_methods_that_do_not_go_together_are_refused_by_name(method: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_method(method)
