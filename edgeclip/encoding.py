"""Parts of a split, seen by the frozen encoder: features, and tokens where blocks are adapted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeclip.changed_features import ChangedFeatureGraph, encode_changed
from edgeclip.clip import Backbone
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import Features, encode_regions
from edgeclip.labels.dataset import Dataset, LabelledImage
from edgeclip.parts import PartData
from edgeclip.progress import Bars
from edgeclip.regions import Region, Strips, regions_of
from edgeclip.split_rows import LEARNED_FROM, Part
from edgeclip.splits import Split
from edgeclip.token_cache import TokenCache
from edgeclip.token_features import TokenLevel, encode_with_tokens
from edgeclip.token_plan import TokenPlan


@dataclass(frozen=True)
class PartEncoder:
    """Encodes parts of one data set.

    Attributes:
        dataset: All images.
        split: Of its images.
        backbone: The frozen encoder.
        features: Where features are looked up and stored.
        tokens: Where tokens are, likewise.
        strips: Rows to cut from each frame.
        bars: Progress.
    """

    dataset: Dataset
    split: Split
    backbone: Backbone
    features: FeatureCache
    tokens: TokenCache
    strips: Strips
    bars: Bars

    def encode(self, parts: Sequence[Part], *, views: int, plan: TokenPlan) -> PartData:
        """Return some parts as one.

        Args:
            parts: Of the split.
            views: Of each region.
            plan: Whether the tower is looked into, and from where.

        Raises:
            DataError: An image changed or cannot be decoded; or the tokens do not fit their limit.
        """
        images = self.dataset.images
        chosen = sorted(index for part in parts for index in self.split.indices(part))
        lenders = [i for i, part in enumerate(self.split.parts) if part in LEARNED_FROM]
        regions = regions_of(images, chosen, views=views, lenders=lenders)
        return self._seen(images, regions, parts[0], plan)

    def encode_frames(self, images: Sequence[LabelledImage], plan: TokenPlan) -> Features:
        """Return the features of whole frames that have no class.

        Args:
            images: Of no part of the split.
            plan: As for `encode`.

        Raises:
            DataError: An image changed or cannot be decoded; or the tokens do not fit their limit.
        """
        regions = [Region(index, None, 0) for index in range(len(images))]
        return self._seen(images, regions, "frames without labels", plan).features

    def _seen(
        self,
        images: Sequence[LabelledImage],
        regions: Sequence[Region],
        what: str,
        plan: TokenPlan,
    ) -> PartData:
        names = self.dataset.class_names
        advance = self.bars.add(f"encoding {what}", len(regions))
        if plan.inside is None:
            found = encode_regions(
                images, regions, self.backbone,
                cache=self.features, strips=self.strips, advance=advance,
            )  # fmt: skip
            if plan.changed is None:
                return PartData(images, regions, found, names)
            advance = self.bars.add(f"encoding {what}, changed", len(regions))
            found = encode_changed(
                images, regions, plan.changed, found,
                cache=self.features, strips=self.strips, advance=advance,
            )  # fmt: skip
            return PartData(images, regions, found, names, graph=ChangedFeatureGraph())
        level = TokenLevel(plan.inside.cut, self.features, self.tokens)
        found = encode_with_tokens(
            images, regions, self.backbone, level=level, strips=self.strips, advance=advance
        )
        return PartData(images, regions, found, names, inside=plan.inside.graph)
