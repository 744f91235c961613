"""What training a small CLIP from scratch needs: augmentation, targets, loss, a good beginning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgeclip.scenes.captions import Facts


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Return views mirrored, shifted, scaled and re-exposed at random.

    Args:
        pixels: `(B, S, S, 3)` uint8 RGB.
        generator: Source of randomness, on the device of the pixels.

    Returns:
        `(B, 3, S, S)` float32, about 0..1.
    """
    count = len(pixels)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        drawn = torch.rand(count, *shape, generator=generator, device=generator.device)
        return low + (high - low) * drawn

    images = pixels.permute(0, 3, 1, 2).float() / 255
    mirror = (uniform(0, 1) < 0.5).float() * 2 - 1
    theta = torch.zeros(count, 2, 3, device=generator.device)
    theta[:, 0, 0], theta[:, 1, 1] = mirror * uniform(0.82, 1.08), uniform(0.82, 1.08)
    theta[:, :, 2] = uniform(-0.1, 0.1, 2)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    images = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    images = images * uniform(0.75, 1.3, 1, 1, 1) + uniform(-0.08, 0.08, 1, 1, 1)
    return images.clamp(0, 1)


def facts_matrix(facts: Sequence[Facts], words: Sequence[str]) -> Tensor:
    """Return `(B, W)` float32: 1 where word w is among the facts."""
    place = {word: k for k, word in enumerate(words)}
    matrix = torch.zeros(len(facts), len(words))
    for row, known in enumerate(facts):
        matrix[row, [place[word] for word in known if word in place]] = 1
    return matrix


def matches(stated: Sequence[Facts], true: Sequence[Facts]) -> Tensor:
    """Return `(B, B)` float32: 1 where caption i (row) holds of image j (column)."""
    words = sorted(frozenset().union(*stated))
    said, held = facts_matrix(stated, words), facts_matrix(true, words)
    return (said @ held.T == said.sum(1, keepdim=True)).float()


def contrastive_loss(logits: Tensor, match: Tensor) -> Tensor:
    """Return CLIP's symmetric loss, where several captions can hold of an image.

    The entropy of the targets is taken off, so that 0 is the least.

    Args:
        logits: `(B, B)`, rows captions, columns images.
        match: `(B, B)`, 1 where the caption holds; the diagonal is 1.
    """
    by_caption = match / match.sum(1, keepdim=True)
    by_image = (match / match.sum(0, keepdim=True)).T
    return (
        functional.kl_div(logits.log_softmax(1), by_caption, reduction="batchmean")
        + functional.kl_div(logits.T.log_softmax(1), by_image, reduction="batchmean")
    ) / 2


def whiten_patches(visual: Any, images: Tensor) -> None:
    """Begin with patches as their whitened principal components, at known places.

    From random weights the brightness of a patch drowns its spots and edges for thousands of steps.

    Args:
        visual: The image tower; patch and position embedding are changed.
        images: `(B, 3, S, S)` float32, normalised.
    """
    weight, side = visual.conv1.weight, visual.conv1.kernel_size[0]
    patches = functional.unfold(images, side, stride=side).transpose(1, 2).reshape(-1, 3 * side**2)
    centred = patches - patches.mean(0)
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(centred))
    count = weight.shape[0] // 2
    leading = (axes[:, -count:] / (variances[-count:] + 1e-2).sqrt()).T
    mixed = nn.init.orthogonal_(torch.empty(count, count)) @ leading
    row, column = torch.meshgrid(*(torch.arange(n) for n in visual.grid_size), indexing="ij")
    rates = 100.0 ** -torch.linspace(0, 1, weight.shape[0] // 4)
    angles = [place.reshape(-1, 1) * rates for place in (column, row)]
    waves = torch.cat([f(angle) for angle in angles for f in (torch.sin, torch.cos)], 1)
    with torch.no_grad():
        weight.copy_(torch.cat([leading, mixed]).view_as(weight))
        visual.positional_embedding[1:] = 0.5 * waves
