"""A model with its weights: loaded part by part, each verified by the digest on its card."""

import copy
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jahp_gui.codec.choices import SEARCHED_FROM
from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.device import choose_device
from jahp_gui.codec.entropy_coder import LATENT_LIMIT
from jahp_gui.codec.errors import JahpError, ModelError, UsageError
from jahp_gui.codec.gain import Gain
from jahp_gui.codec.models import DEFAULT_MODEL, SEARCHED, TABLES, TRANSFORMS, Card, find_model
from jahp_gui.codec.precision import full_precision, picture_precision, undisturbed
from jahp_gui.codec.priors import FrozenPrior, Prior, prior_class
from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR, default_lmbda, gain_index_count, gain_index_of, lmbda_of
from jahp_gui.codec.tiling import TILE, analysis_margin, pixels, synthesis_margin, tiles
from jahp_gui.codec.transforms import STRIDE, build_transforms, planes
from jahp_gui.codec.weights import add_change, expand

_forked = threading.Event()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked.set)


class Model:
    """Transforms, gains and frozen priors of one installed model; parts are read when first used, from any thread.

    device: "cpu", "cuda", "cuda:1" or "auto", where the transforms run; gains, rounding and priors stay on the
    processor. Two devices may round a latent differently in rare places, and both write files that every decoder reads.
    A copy, pickled or not, reads the model's folder again. Raises `UsageError` for a GPU that is not there.
    """

    is_searched = False  # whether its synthesis is that for searched latents

    def __init__(self, card: Card, device: str = "cpu"):
        self.card, self.device = card, choose_device(str(device))
        self.config = ModelConfig.from_dict(card.config)
        self._lock = threading.Lock()
        self._transforms: _Transforms | None = None
        self._priors: dict[str, FrozenPrior] = {}
        self._transforms_for_searched: _Transforms | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Model, (self.card, self.device)

    @classmethod
    def load(cls, name: str | Path = DEFAULT_MODEL, device: str = "cpu") -> "Model":
        """By model id or folder. Raises `UnknownModelError` or `ModelError`."""
        return cls(find_model(name), device)

    @property
    def plain(self) -> "Model":
        """The same model for rounded latents."""
        return self

    @property
    def for_searched(self) -> "Model":
        """The same model for latents that the encoder searched: with a synthesis of their own where there is one."""
        return SearchedModel(self) if self.card.has_searched else self

    def for_effort(self, effort: int) -> "Model":
        """The one that latents of this effort are chosen for and decoded with."""
        return self.for_searched if effort >= SEARCHED_FROM else self.plain

    def of_file(self, prior: str, digest: bytes) -> "Model":
        """The one that a file of this prior, which stores this digest, is decoded with."""
        return self.for_searched if self.card.is_searched(prior, digest) else self.plain

    @property
    def gain_indices(self) -> range:
        return range(gain_index_count(self.config.lmbda_anchors))

    def gain_index(self, lmbda: float | None) -> int:
        """The nearest gain index, at the ends of the range for λ outside it; of None, that of the model's own λ.

        Raises `UsageError` for a λ that is not positive.
        """
        if lmbda is not None and not lmbda > 0:
            raise UsageError(f"λ must be positive, not {lmbda}.")
        anchors = self.config.lmbda_anchors
        return gain_index_of(default_lmbda(anchors) if lmbda is None else lmbda, anchors)

    def lmbda(self, gain_index: int) -> float:
        return lmbda_of(gain_index, self.config.lmbda_anchors)

    @undisturbed()
    def prior(self, name: str) -> FrozenPrior:
        """The exact form of a prior. Raises `UsageError` when the model lacks it, `ModelError` when it is damaged."""
        self.card.digest(name)  # names the priors there are where this is none of them
        _use_one_thread_after_fork()
        with self._lock, self._refusing_misfits():
            if name not in self._priors:
                tensors = {**self._tensors(TABLES), **self._tensors(name)}
                prior = prior_class(name).load_frozen(tensors, self.config)
                self._try_out(prior)
                self._priors[name] = prior
            return self._priors[name]

    def _try_out(self, prior: FrozenPrior) -> None:
        """One latent position at the last gain index: what the card and the arrays disagree about comes out here."""
        channels, last = self.config.latent_channels, self.gain_indices[-1]
        z_hat = prior.side_information(np.zeros((1, 1, channels), np.int16), last)
        rows, _ = prior.start(z_hat, 1, 1, last).rows(np.zeros(1, np.int64))
        if rows.shape != (1, channels):
            raise ValueError(f"{rows.shape[1]} latent channels instead of {channels}")

    def _tensors(self, name: str) -> Mapping[str, np.ndarray]:
        return safetensors.numpy.load(self.card.read(name))

    @contextmanager
    def _refusing_misfits(self) -> Iterator[None]:
        """Digests tell that weights are the card's, not that they are weights: what numpy and torch say then."""
        try:
            yield
        except (JahpError, MemoryError):
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"Model '{self.card.model_id}' in {self.card.folder} is unusable, because its weights are not what its "
                f"card and this release expect ({type(error).__name__}: {reason}); install it again."
            ) from error

    @undisturbed()  # in inference mode nothing could ever be differentiated through them
    def _loaded(self) -> "_Transforms":
        _use_one_thread_after_fork()
        with self._lock:
            if self._transforms is None:
                with self._refusing_misfits():
                    transforms = _Transforms(self.config, self._tensors(TRANSFORMS))
                transforms.to(self.device)
                self._transforms = transforms
            return self._transforms

    @undisturbed()
    @torch.inference_mode()
    def analysis(self, rgb: np.ndarray, progress: Callable[[float], None] | None = None) -> np.ndarray:
        """Latents y of an image before the gain: uint8 (H, W, 3) → float32 (⌈H/16⌉, ⌈W/16⌉, M).

        `progress` is told the fraction done after every tile; whatever it raises ends it.
        Raises `UsageError` for anything else than such an array.
        """
        check_image(rgb)
        height, width, _ = rgb.shape
        shape = -(-height // STRIDE), -(-width // STRIDE)
        transform = self._loaded().analysis
        y = np.empty((*shape, self.config.latent_channels), np.float32)
        for tile in tiles(*shape, analysis_margin(self.config)):
            part = rgb[pixels(tile.rows_with_margin, STRIDE, height), pixels(tile.columns_with_margin, STRIDE, width)]
            x = F.pad(planes(part), (0, -part.shape[1] % STRIDE, 0, -part.shape[0] % STRIDE), mode="replicate")
            x = x.to(self.device).contiguous(memory_format=torch.channels_last)
            with full_precision(self.device):
                latents = transform(x)[0].permute(1, 2, 0)
            y[tile.rows, tile.columns] = latents[tile.inner].cpu().numpy()
            if progress is not None:
                progress((tile.rows.start * shape[1] + tile.columns.stop * len(y[tile.rows])) / (shape[0] * shape[1]))
        return y

    @undisturbed()
    def _loaded_for_searched(self) -> "_Transforms":
        plain = self._loaded()
        with self._lock:
            if self._transforms_for_searched is None:
                with self._refusing_misfits():
                    self._transforms_for_searched = plain.changed(self._tensors(SEARCHED))
            return self._transforms_for_searched

    def copy_of_synthesis(self) -> nn.Module:
        """A copy of the synthesis transform on the processor: (ŷ/g (B, M, h, w), positions (B,)) → x̂."""
        return copy.deepcopy(self._loaded().synthesis).cpu()

    def copy_of_gain(self) -> Gain:
        """A copy of the gains."""
        return copy.deepcopy(self._loaded().gain)

    @undisturbed()
    def thawed(self, name: str) -> Prior:
        """A prior in ordinary floats, differentiable; but for those of z, its densities are not filled in."""
        # A new network draws random weights first: from numbers that are the caller's.
        with self._refusing_misfits(), torch.random.fork_rng(devices=[]):
            tensors = {**self._tensors(TABLES), **self._tensors(name)}
            return prior_class(name).thaw(tensors, self.config).eval().float().requires_grad_(False)

    @undisturbed()
    @torch.inference_mode()
    def gain_of(self, gain_index: int) -> np.ndarray:
        """What y is multiplied by before rounding: float32 (M,)."""
        return self._loaded().gain.gain(position(gain_index))[0].numpy()

    @undisturbed()
    @torch.inference_mode()
    def inverse_gain_of(self, gain_index: int) -> np.ndarray:
        """What ŷ is multiplied by before the synthesis: float32 (M,)."""
        return self._loaded().gain.inverse(position(gain_index))[0].numpy()

    @undisturbed()
    @torch.inference_mode()
    def quantise(self, y: np.ndarray, gain_index: int) -> np.ndarray:
        """ŷ = round(y·g): float32 (h, w, M) → int16 (h, w, M) within ±32767."""
        gain = self._loaded().gain.gain(position(gain_index))[0]
        y_hat = np.empty(y.shape, np.int16)
        for top in range(0, len(y), TILE):  # bands: the product of the whole would take twice the room of y
            rows = slice(top, top + TILE)
            gained = torch.from_numpy(y[rows]) * gain
            y_hat[rows] = gained.round_().clamp_(-LATENT_LIMIT, LATENT_LIMIT).to(torch.int16).numpy()
        return y_hat

    @undisturbed()
    @torch.inference_mode()
    def synthesis(
        self,
        y_hat: np.ndarray,
        gain_index: int,
        height: int,
        width: int,
        progress: Callable[[float], None] | None = None,
    ) -> np.ndarray:
        """The picture of latents (h, w, M), int16 or float32: uint8 (height, width, 3).

        `progress` is told the fraction done after every tile; whatever it raises ends it.
        """
        at = position(gain_index)
        inverse = self._loaded().gain.inverse(at)[0]
        transform = self._loaded().synthesis
        rgb = np.empty((height, width, 3), np.uint8)
        for tile in tiles(y_hat.shape[0], y_hat.shape[1], synthesis_margin(self.config)):
            part = torch.from_numpy(y_hat[tile.rows_with_margin, tile.columns_with_margin])
            y = (part * inverse).permute(2, 0, 1)[None]
            y = y.to(self.device).contiguous(memory_format=torch.channels_last)
            with picture_precision(self.device, transform):
                x_hat = transform(y, at.to(self.device))[0].permute(1, 2, 0)
            inner = x_hat[tuple(pixels(side, STRIDE) for side in tile.inner)]
            picture = inner.clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
            rows, columns = pixels(tile.rows, STRIDE, height), pixels(tile.columns, STRIDE, width)
            rgb[rows, columns] = picture[: rows.stop - rows.start, : columns.stop - columns.start]
            if progress is not None:
                progress((rows.start * width + columns.stop * (rows.stop - rows.start)) / (height * width))
        return rgb


class SearchedModel(Model):
    """A model whose synthesis, inverse gains included, was trained on latents that the encoder searched.

    Those are nearer to their predictions than rounded ones, and the errors of neighbours are made to cancel: another
    picture is the likeliest. All else is that of the model it is a view of, and keeps.
    """

    is_searched = True

    def __init__(self, plain: Model):
        super().__init__(plain.card, plain.device)
        self._plain = plain

    def __reduce__(self) -> tuple[Any, ...]:
        return SearchedModel, (self._plain,)

    @property
    def plain(self) -> Model:
        return self._plain

    @property
    def for_searched(self) -> Model:
        return self

    def prior(self, name: str) -> FrozenPrior:
        return self._plain.prior(name)

    def _loaded(self) -> "_Transforms":
        return self._plain._loaded_for_searched()


class _Transforms:
    """The networks that run in ordinary floats, on the processor until they are moved."""

    def __init__(self, config: ModelConfig, tensors: Mapping[str, np.ndarray]):
        with torch.device("meta"):
            self.analysis, self.synthesis = build_transforms(config)
            self.gain = Gain(config.lmbda_anchors, config.latent_channels)
        for name, module in (("analysis", self.analysis), ("synthesis", self.synthesis), ("gain", self.gain)):
            expand(module, tensors, name)
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def to(self, device: str) -> None:
        self.analysis.to(device)
        self.synthesis.to(device)

    def changed(self, arrays: Mapping[str, np.ndarray]) -> "_Transforms":
        """With another synthesis and other inverse gains, by what `weights.compact_change` made of them."""
        if strange := [name for name in arrays if not name.startswith(("synthesis.", "gain.log_inverse"))]:
            raise ValueError(f"{strange[0]} is no part of a synthesis")
        other = copy.copy(self)
        for name in ("synthesis", "gain"):
            module = copy.deepcopy(getattr(self, name)).cpu()
            add_change(module, arrays, name)
            setattr(other, name, module)
        other.synthesis.to(next(self.synthesis.parameters()).device)
        return other


def position(gain_index: int) -> Tensor:
    """The gain position of a gain index: float32 (1,)."""
    return torch.tensor([gain_index / STEPS_PER_ANCHOR], dtype=torch.float32)


def check_image(rgb: np.ndarray) -> None:
    """Raise `UsageError` for what is no image, uint8 (H, W, 3): one of floats would be coded as a black one."""
    if not isinstance(rgb, np.ndarray):
        raise UsageError(f"The image must be a numpy array, uint8 (H, W, 3), not a {type(rgb).__name__}.")
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise UsageError(f"The image must be uint8 of shape (H, W, 3), not {rgb.dtype} of shape {rgb.shape}.")


def _use_one_thread_after_fork() -> None:
    """The threads of OpenMP do not survive a fork: a child that asked for them again would wait for ever."""
    if _forked.is_set():
        torch.set_num_threads(1)
        _forked.clear()
