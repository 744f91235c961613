"""Labels that are whole taxonomies -> the one name that a person would use."""

from __future__ import annotations

_FIELDS = 7  # SpeciesNet: uuid;class;order;family;genus;species;common name


def label_name(label: str) -> str:
    """Return the last name that a SpeciesNet label holds, or the label itself.

    Args:
        label: For example `uuid;mammalia;carnivora;felidae;panthera;pardus;leopard`.
    """
    parts = [part.strip() for part in label.split(";")]
    if len(parts) != _FIELDS:
        return label.strip()
    *_, genus, species, common = parts
    if species and not common:
        return f"{genus} {species}".strip()
    return next((part for part in reversed(parts[1:]) if part), "")
