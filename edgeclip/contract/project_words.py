"""What people say of a project where its data are handed on.

Table `[export]` of dashboard.toml, and the file of `edgeclip predict --project`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from edgeclip.contract.settings import Settings

SamplingDesign = Literal[
    "simpleRandom", "systematicRandom", "clusteredRandom", "experimental", "targeted",
    "opportunistic",
]  # fmt: skip


class ExportSettings(Settings):
    """What a data package tells of a project beside its observations."""

    title: str = Field("", description="Of the project; its id where empty.")
    contact: str = Field("", description="Who answers for the data; the project where empty.")
    organization: str = Field("", description="Of the contact.")
    sampling_design: SamplingDesign = Field(
        "opportunistic", description="How places were chosen, in the words of Camtrap DP."
    )
    data_licence: str = Field("", description="SPDX name, such as CC-BY-4.0.")
    media_licence: str = Field("", description="Of the pictures; both licences or none.")
    scientific_names: dict[str, str] = Field(
        default_factory=dict, description='Of classes whose packs have none: boar = "Sus scrofa".'
    )

    @model_validator(mode="after")
    def _both_licences_or_none(self) -> ExportSettings:
        if bool(self.data_licence) != bool(self.media_licence):
            raise ValueError("data_licence and media_licence belong together: give both")
        return self

    def contributor(self, project: str) -> dict[str, str]:
        """Return the contact as a contributor of a data package."""
        found = {"title": self.contact or self.title or project, "role": "contact"}
        return found | ({"organization": self.organization} if self.organization else {})

    def licences(self) -> dict[str, list[dict[str, Any]]]:
        """Return the licences of a data package; an empty table where none are named."""
        if not self.data_licence:
            return {}
        return {
            "licenses": [
                {"name": self.data_licence, "scope": "data"},
                {"name": self.media_licence, "scope": "media"},
            ]
        }
