"""One part of a split with its features: what fit, choice and evaluation look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.left_out import Whence
from edgeclip.adapters.model import FeatureGraph, Graph
from edgeclip.contract.slots import reaches_inside
from edgeclip.features import Features
from edgeclip.labels.dataset import LabelledImage
from edgeclip.regions import Region
from edgeclip.scoring import image_probabilities, region_probabilities
from edgeclip.training import TrainingRows

UNKNOWN_PLACE = "unknown place"


@dataclass(frozen=True)
class PartData:
    """Regions of some images, and what the frozen encoder says of them.

    Attributes:
        images: All images; `regions` point into them.
        regions: n regions.
        features: Of the n regions.
        class_names: C names.
        graph: From features to outputs.
        inside: From tokens to outputs, where the features have tokens.
    """

    images: Sequence[LabelledImage]
    regions: Sequence[Region]
    features: Features
    class_names: Sequence[str]
    graph: Graph = field(default_factory=FeatureGraph)
    inside: Graph | None = None

    @property
    def classes(self) -> NDArray[np.int64]:
        """The class of each region, `(n,)` int64."""
        return self.classes_of([region.image for region in self.regions])

    def classes_of(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """Return the class of images by index, int64."""
        numbers = {name: number for number, name in enumerate(self.class_names)}
        return np.asarray([numbers[self.images[i].class_name] for i in indices], np.int64)

    def locations_of(self, indices: Sequence[int]) -> list[str]:
        """Return the location of images by index."""
        return [self.images[index].location or UNKNOWN_PLACE for index in indices]

    def whence(self) -> Whence:
        """Return where the regions are from."""
        return Whence(
            [self.images[region.image].location for region in self.regions],
            [region.box is None and region.view == 0 for region in self.regions],
        )

    def chosen(self, rows: NDArray[np.int64]) -> PartData:
        """Return some of the regions, `(m,)` int64, as a part of their own."""
        regions = [self.regions[row] for row in rows.tolist()]
        return replace(self, regions=regions, features=self.features.rows(rows.tolist()))

    def training_rows(self) -> TrainingRows:
        """Return what the fit takes."""
        places = self.locations_of([region.image for region in self.regions])
        keys = [(region.image, region.box) for region in self.regions]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        origins = np.asarray([numbers[key] for key in keys], np.int64)
        bursts = [self.images[region.image].sequence for region in self.regions]
        return TrainingRows(self.features, self.classes, places, origins, bursts)

    def score(
        self,
        tensors: Mapping[str, NDArray[np.float32]],
        column_class: Sequence[int],
        targets: Sequence[int],
    ) -> tuple[list[int], NDArray[np.float32]]:
        """Return the indices of the images and their `(images, C)` probabilities.

        Args:
            tensors: A pack's, temperature included.
            column_class: The class of each column.
            targets: Indices of the target classes.
        """
        inside = self.inside if reaches_inside(tensors) else None
        rows = region_probabilities(inside or self.graph, self.features, tensors, column_class)
        return image_probabilities(self.regions, rows, targets)
