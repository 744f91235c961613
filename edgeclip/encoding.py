"""Parts of a split, seen by the frozen encoder: features, and tokens where blocks are adapted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeclip.adapters.deep_graph import DeepGraph
from edgeclip.clip import Backbone
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import encode_regions
from edgeclip.labels.dataset import Dataset
from edgeclip.parts import PartData
from edgeclip.progress import Bars
from edgeclip.regions import Strips, regions_of
from edgeclip.splits import Part, Split
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
            plan: Whether tokens are wanted, and from where.

        Raises:
            DataError: An image changed or cannot be decoded; or the tokens do not fit their limit.
        """
        images, names = self.dataset.images, self.dataset.class_names
        chosen = sorted(index for part in parts for index in self.split.indices(part))
        regions = regions_of(images, chosen, views=views)
        advance = self.bars.add(f"encoding {parts[0]}", len(regions))
        if plan.cut is None or plan.upper is None:
            found = encode_regions(
                images, regions, self.backbone,
                cache=self.features, strips=self.strips, advance=advance,
            )  # fmt: skip
            return PartData(images, regions, found, names)
        level = TokenLevel(plan.cut, self.features, self.tokens)
        found = encode_with_tokens(
            images, regions, self.backbone, level=level, strips=self.strips, advance=advance
        )
        return PartData(images, regions, found, names, deep=DeepGraph(plan.upper))
