"""Training crops from images that are decoded once and stay in memory, on the device that trains."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from jahp_gui.codec.errors import UsageError
from jahp_gui.codec.images import find_images, load_image
from jahp_gui.codec.transforms import STRIDE
from jahp_gui.training.config import TrainConfig

ARRAYS = ("pixels", "latents", "anchors")  # of a file of searched crops


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


class SearchedCrops:
    """Crops with the latents that a search wrote for them, from files of `training.searched`.

    pixels: uint8 (N, crop, crop, 3). latents: int16 (N, h, w, M). anchors: int64 (N,), the gain positions.
    """

    def __init__(self, config: TrainConfig):
        """All of its files. Raises `UsageError` for what is no such file, and for crops or latents of other sizes."""
        parts: list[dict[str, np.ndarray]] = []
        side, channels, anchors = config.crop, config.model.latent_channels, len(config.model.lmbda_anchors)
        for path in config.searched:
            try:
                with np.load(path) as file:
                    part = {name: file[name] for name in ARRAYS}
                shapes = [array.shape[1:] for array in part.values()]
            except (OSError, EOFError, TypeError, ValueError, KeyError, BadZipFile) as error:
                raise UsageError(
                    f"{path} holds no searched crops ({error}); make it by jahp_gui.training.searched."
                ) from error
            expected = [(side, side, 3), (side // STRIDE, side // STRIDE, channels), ()]
            if shapes != expected or not (part["anchors"] >= 0).all() or not (part["anchors"] < anchors).all():
                raise UsageError(
                    f"{path} has crops of another size than the configuration's, or latents of another model; make it "
                    f"by jahp_gui.training.searched with --crop {side}."
                )
            parts.append(part)
        self.pixels, self.latents, self.anchors = (
            torch.from_numpy(np.concatenate([part[name] for part in parts])) for name in ARRAYS
        )

    def batch(self, count: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Crops float32 (count, 3, crop, crop) in [0, 1], gain positions (count,) and latents (count, M, h, w)."""
        chosen = torch.randint(len(self.pixels), (count,), generator=generator)
        x = self.pixels[chosen].to(device).permute(0, 3, 1, 2).float() / 255
        latents = self.latents[chosen].to(device).permute(0, 3, 1, 2).float()
        position = self.anchors[chosen].to(device).float()
        last = torch.channels_last
        return x.contiguous(memory_format=last), position, latents.contiguous(memory_format=last)


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
