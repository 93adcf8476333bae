"""Training crops from images that are decoded once and stay in memory, on the device that trains."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from jahp_gui.codec.errors import UsageError
from jahp_gui.codec.images import find_images, load_image


def image_files(folders: tuple[str, ...]) -> list[Path]:
    """All images of the folders, sorted by path. Raises `UsageError` when there are none, and as `find_images` does."""
    files = sorted(path for folder in folders for path in find_images(folder))
    if not files:
        raise UsageError(f"There are no images in {', '.join(folders)}; check the folders in the configuration.")
    return files


def scaled_versions(path: Path, count: int, smallest: float, minimum_side: int, seed: int) -> list[np.ndarray]:
    """`count` random downscalings of an image, by ×`smallest` to 1, none with a side under `minimum_side`.

    Web photos are smoother per pixel than the camera originals people compress; downscaling restores the detail.
    """
    generator = np.random.default_rng((seed, *os.fsencode(path.name)))
    rgb = Image.fromarray(load_image(path).rgb)
    versions = []
    for scale in generator.uniform(smallest, 1.0, count):
        scale = max(scale, minimum_side / min(rgb.size))
        size = (round(rgb.width * scale), round(rgb.height * scale))
        versions.append(np.asarray(rgb.resize(size, Image.Resampling.LANCZOS) if scale < 1 else rgb))
    return [version for version in versions if min(version.shape[:2]) >= minimum_side]


class CropSource:
    """Random crops with horizontal flips, drawn by index arithmetic from one flat uint8 buffer.

    No image is touched one by one at a step: a batch is a single gather, on a CPU or a GPU alike.
    """

    def __init__(self, versions: list[np.ndarray], crop: int, device: torch.device):
        self.crop = crop
        self.device = device
        heights = torch.tensor([version.shape[0] for version in versions])
        widths = torch.tensor([version.shape[1] for version in versions])
        self.pixels = torch.from_numpy(np.concatenate([version.reshape(-1, 3) for version in versions])).to(device)
        self.starts = torch.cat([torch.zeros(1, dtype=torch.long), (heights * widths).cumsum(0)[:-1]])
        self.rows, self.columns, self.widths = heights - crop + 1, widths - crop + 1, widths
        positions = (self.rows * self.columns).double()
        self.cumulative = positions.cumsum(0) / positions.sum()

    @classmethod
    def from_folders(
        cls, folders: tuple[str, ...], crop: int, scales: int, smallest: float, seed: int, device: torch.device
    ) -> "CropSource":
        """Of all images of the folders. Raises `UsageError` where none has room for a crop, `ImageError` for damage."""
        with ThreadPoolExecutor() as pool:
            jobs = pool.map(lambda path: scaled_versions(path, scales, smallest, crop, seed), image_files(folders))
            versions = list(chain.from_iterable(jobs))
        if not versions:
            names = ", ".join(folders)
            raise UsageError(f"No image in {names} is as large as a crop, {crop}×{crop} pixels; choose larger ones.")
        return cls(versions, crop, device)

    def batch(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` crops: float32 (count, 3, crop, crop) in [0, 1] on the device. `generator` is a CPU generator."""
        draws = torch.rand(4, count, generator=generator, dtype=torch.float64)
        image = torch.searchsorted(self.cumulative, draws[0]).clamp(max=len(self.starts) - 1)
        top = (draws[1] * self.rows[image]).long()
        left = (draws[2] * self.columns[image]).long()
        offset = torch.arange(self.crop)
        across = torch.where((draws[3] < 0.5)[:, None], offset, offset.flip(0)) + left[:, None]
        down = (offset + top[:, None]) * self.widths[image][:, None] + self.starts[image][:, None]
        # One number a row and a column goes to the device, not one a pixel.
        index = down.to(self.device)[:, :, None] + across.to(self.device)[:, None, :]
        return self.pixels[index].permute(0, 3, 1, 2).float() / 255


def klt_basis(source: CropSource, components: int, batches: int = 40) -> Tensor:
    """Leading principal components of 16×16×3 blocks of the training crops: float32 (components, 768), orthonormal.

    Rows are in the order of `pixel_unshuffle(x, 16)`, largest variance first.
    """
    generator = torch.Generator().manual_seed(0)
    covariance = torch.zeros(768, 768, dtype=torch.float64)
    for _ in range(batches):
        crops = source.batch(32, generator).cpu() - 0.5
        blocks = torch.nn.functional.pixel_unshuffle(crops, 16).permute(0, 2, 3, 1).reshape(-1, 768)
        covariance += (blocks.T @ blocks).double()
    values, vectors = torch.linalg.eigh(covariance)
    return vectors[:, values.argsort(descending=True)[:components]].T.float().contiguous()
