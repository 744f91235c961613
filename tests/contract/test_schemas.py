from __future__ import annotations

import pytest

from scripts.write_schemas import FOLDER, MODELS, schema_text


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_shipped_schema_is_the_models(name: str) -> None:
    shipped = (FOLDER / f"{name}.json").read_text()
    assert shipped == schema_text(MODELS[name]), "run python scripts/write_schemas.py"


def test_no_schema_is_left_without_a_model() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(MODELS)
