"""Bag of visual words: SIFT, a vocabulary by k-means, one histogram an image."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsir_fast.base.meter import Meter
from rsir_fast.base.progress import OnProgress
from rsir_fast.base.visual_words import DETECTORS, Detector, Norm, VisualWords
from rsir_fast.datasets import Dataset
from rsir_fast.descriptors.descriptor import Descriptor, Learnt, grey
from rsir_fast.descriptors.kmeans import kmeans, nearest
from rsir_fast.descriptors.opencv import CODE, portable_opencv
from rsir_fast.descriptors.ordered import in_order
from rsir_fast.descriptors.sampling import Reservoir
from rsir_fast.errors import ImageError, NoImageReadError
from rsir_fast.ops import prepare

__all__ = ["BagOfVisualWords"]

SIFT_LENGTH = 128
_SIFT = {
    "nfeatures": 0,
    "nOctaveLayers": 3,
    "contrastThreshold": 0.04,
    "edgeThreshold": 10,
    "sigma": 1.6,
    "enable_precise_upscale": True,
}
"""Lowe's, stated so that no version of OpenCV decides; the last keeps the doubled image from moving by half a pixel."""
_SAMPLED = 100_000
_SAMPLED_A_WORD = 40
_NORMS = {
    "l1": "histogram divided by its sum (L1)",
    "l2": "histogram divided by its Euclidean length (L2)",
    "root": "square roots of the histogram divided by its sum (Hellinger)",
}
_TITLES = {"l1": ", L1", "l2": "", "root": ", square roots"}


@dataclass
class BagOfVisualWords(Descriptor):
    """Bag of visual words after Yang and Newsam 2013.

    SIFT descriptors of grey images at full size, at the extrema of the difference of Gaussians or on a regular grid; a
    vocabulary of a uniform sample of them by k-means; each descriptor counts for its nearest word; the histogram is
    normalised. An image without keypoints (small, or of one colour) has a single one, which spans it.

    Parameters
    ----------
    words
        Size of the vocabulary: 150 (reference 6 of Ge et al. 2018) or 15,000 (their reference 7).
    keypoints
        ``"dog"``: extrema of the difference of Gaussians (Lowe 2004). ``"dense"``: every `step` pixels, patches of
        `patch` pixels, upright.
    root
        RootSIFT (Arandjelović, Zisserman 2012): square root of the descriptor divided by its sum.
    norm
        ``"l1"``, ``"l2"`` or ``"root"``.
    sample
        Descriptors for the vocabulary, of all images together; default: 100,000, or 40 a word if that is more.
    iterations
        Of k-means, at most.
    step, patch
        For ``keypoints="dense"``.
    seed
        Of the sample, and so of the vocabulary.

    Notes
    -----
    Yang Y., Newsam S. (2013), Geographic image retrieval using local invariant features, IEEE TGRS 51(2), 818-832.
    `unverified` lists what that article leaves open to us. Images are read twice: for the sample and for the
    histograms. Memory: the sample (some 50 MB for 150 words, 700 MB for 15,000) and the images under way, whatever the
    number of images; an image takes some 240 bytes a pixel, so cut large scenes into tiles. Keypoints and
    vocabulary have the same bits for any number of threads and on every processor of a kind (x86-64, ARM), for one
    version of OpenCV (`rsir_fast.descriptors.opencv`).

    Examples
    --------
    >>> from rsir_fast.datasets import open_dataset
    >>> rng = np.random.default_rng(0)
    >>> scenes = [(rng.integers(0, 256, (64, 64, 3), np.uint8), 0) for _ in range(3)]
    >>> descriptor = BagOfVisualWords(words=5)
    >>> descriptor.fit(open_dataset(scenes))
    >>> histogram = descriptor.describe(Image.fromarray(scenes[0][0]))
    >>> histogram.shape, round(float(np.square(histogram).sum()), 4)
    ((5,), 1.0)
    """

    words: int = 150
    keypoints: Detector = "dog"
    root: bool = False
    norm: Norm = "l2"
    sample: int | None = None
    iterations: int = 50
    step: int = 8
    patch: int = 16
    seed: int = 0

    kind: ClassVar[str] = "bovw"
    packages: ClassVar[dict[str, str]] = {"opencv": "opencv-python-headless"}
    learns: ClassVar[bool] = True

    _prepared: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("words", "iterations", "step", "patch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.norm not in _NORMS:
            raise ValueError(f"norm: expected one of {', '.join(_NORMS)}, got {self.norm!r}")
        if self.keypoints not in DETECTORS:
            raise ValueError(f"keypoints: expected 'dog' or 'dense', got {self.keypoints!r}")
        if self.sample is not None and self.sample < self.words:
            raise ValueError(f"sample: expected at least one descriptor a word, {self.words}, got {self.sample}")

    @property
    def name(self) -> str:
        """``bovw-150``, ``bovw-150-dense``, ``bovw-150-root``."""
        return self._words.name

    @property
    def word(self) -> str:
        """``bovw-150,norm=root``: the name, and a norm other than ``"l2"``."""
        return str(self._words)

    @property
    def _words(self) -> VisualWords:
        return VisualWords(self.words, self.keypoints, self.root, self.norm)

    @property
    def title(self) -> str:
        """``BoVW-150 (ours)``, with what is not the published way."""
        more = ", dense SIFT" * (self.keypoints == "dense") + ", RootSIFT" * self.root + _TITLES[self.norm]
        return f"BoVW-{self.words} (ours{more})"

    @property
    def layer(self) -> str:
        """What the values are."""
        return "visual words"

    @property
    def dim(self) -> int:
        """Number of words."""
        return self.words

    @property
    def choices(self) -> dict[str, Any]:
        """Every choice that decides the values."""
        where = {
            "dog": "extrema of the difference of Gaussians: image doubled, 3 scales an octave, contrast 0.04, edge 10, "
            "sigma 1.6; one descriptor for each dominant orientation",
            "dense": f"grid of {self.step} pixels, upright patches of {self.patch} pixels",
        }
        return {
            "colour": "grey, ITU-R 601-2 luma, 8 bits",
            "keypoints": where[self.keypoints],
            "local descriptor": "RootSIFT of 128 values" if self.root else "SIFT of 128 values, 8 bits (OpenCV)",
            "vocabulary": f"k-means (Lloyd), {self.words} words, Euclidean, at most {self.iterations} iterations, from "
            f"a uniform sample of up to {self._sample} descriptors of all images",
            "seed": self.seed,
            "assignment": "hard, nearest word, exact; ties to the smaller index",
            "values": _NORMS[self.norm],
            "no keypoints": "one upright descriptor in the middle, as large as the shorter side",
        }

    @property
    def unverified(self) -> tuple[str, ...]:
        """What we could not check against the articles, which we had no access to."""
        return (
            "detector thresholds of the published runs",
            "number and choice of the descriptors their vocabularies were made of",
            "start and end of their k-means",
            "their normalisation of the histogram and their distance",
            "image encoding: published runs used the TIFF originals",
        )

    def fit(self, dataset: Dataset, *, workers: int = 0, progress: OnProgress | None = None) -> None:
        """Make the vocabulary; reads every image once, unreadable ones are passed over.

        Parameters
        ----------
        dataset
            Its images need no classes.
        workers
            Threads that read images. Never changes a bit.
        progress
            As for `rsir_fast.encode`.

        Raises
        ------
        DatasetError
            If the images have fewer distinct descriptors than there are to be words.
        NoImageReadError
            If no image could be read.
        MachineError
            If the machine failed: no image is passed over for that.
        """
        self.check()
        reservoir = Reservoir(self._sample, SIFT_LENGTH, self.seed)
        meter = Meter("learn", len(dataset), 0, progress)

        def local(number: int) -> NDArray[np.uint8] | str:
            try:
                return dataset.made_of(number, self._sift)
            except ImageError as error:
                return str(error)

        skipped: list[tuple[str, str]] = []
        with contextlib.closing(in_order(local, range(len(dataset)), workers)) as found:
            for number, rows in enumerate(found):
                if isinstance(rows, str):
                    skipped.append((dataset.items[number], rows))
                else:
                    reservoir.add(number, rows)
                meter.add(1, isinstance(rows, str))
        if len(dataset) and len(skipped) == len(dataset):
            raise NoImageReadError(dataset.name, skipped)
        points = self._rooted(reservoir.rows())
        clusters = kmeans(points, self.words, iterations=self.iterations)
        facts = {
            "from": dataset.name,
            "images": len(dataset) - meter.skipped,
            "local_descriptors": reservoir.seen,
            "sampled": len(points),
            "iterations": clusters.iterations,
            "mean_squared_distance": clusters.mean_squared_distance,
        }
        self.learnt = Learnt({"vocabulary": clusters.centres}, facts)
        self._prepared = None

    def describe(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the normalised histogram of the image's visual words.

        Raises
        ------
        ValueError
            Before `fit`.
        ImageError
            If OpenCV refuses the image.
        """
        if self.learnt is None:
            raise ValueError(f"{self.name}: expected a vocabulary, got none yet; call fit, or rsir_fast.encode")
        if self._prepared is None:
            self._prepared = prepare(self.learnt.arrays["vocabulary"])
        rows = self._sift(image)
        if len(rows) == 0:
            # The zero histogram would be nearer to most images than they are to one another.
            rows = self._sift(image, whole=True)
        _, ids = nearest(self._rooted(rows), self._prepared, threads=1)
        counts = np.bincount(ids, minlength=self.words).astype(np.float64)
        scale = np.sqrt(np.square(counts).sum()) if self.norm == "l2" else counts.sum()
        values = counts / scale
        return np.asarray(np.sqrt(values) if self.norm == "root" else values, np.float32)

    @property
    def provenance(self) -> dict[str, Any]:
        """What a matrix of this descriptor has to say of itself."""
        made = super().provenance
        made["extraction"]["cpu_capability"] = CODE
        return made

    @property
    def _sample(self) -> int:
        return self.sample or max(_SAMPLED, _SAMPLED_A_WORD * self.words)

    def _sift(self, image: Image.Image, *, whole: bool = False) -> NDArray[np.uint8]:
        """Return the SIFT descriptors of an image, or one of the whole of it, uint8 [m, 128], as OpenCV rounds them."""
        pixels = grey(image)
        with portable_opencv() as cv2:
            return self._found(cv2, pixels, whole)

    def _found(self, cv2: Any, pixels: NDArray[np.uint8], whole: bool) -> NDArray[np.uint8]:
        try:
            # One object a call: its state is not for several threads.
            sift = cv2.SIFT_create(**_SIFT)
            height, width = pixels.shape
            # OpenCV's descriptor spans six times the size of its keypoint.
            if whole:
                middle = cv2.KeyPoint((width - 1) / 2, (height - 1) / 2, min(height, width) / 6, 0.0)
                found = sift.compute(pixels, [middle])[1]
            elif self.keypoints == "dense":
                points = [
                    cv2.KeyPoint(float(x), float(y), self.patch / 6, 0.0)
                    for y in range(self.patch // 2, height - self.patch // 2 + 1, self.step)
                    for x in range(self.patch // 2, width - self.patch // 2 + 1, self.step)
                ]
                found = sift.compute(pixels, points)[1] if points else None
            else:
                found = sift.detectAndCompute(pixels, None)[1]
        except cv2.error as error:
            if error.code == cv2.Error.StsNoMem:
                raise MemoryError from error
            raise ImageError(f"SIFT failed ({error.err or error})") from None
        return np.empty((0, SIFT_LENGTH), np.uint8) if found is None else found.astype(np.uint8)

    def _rooted(self, rows: NDArray[np.uint8]) -> NDArray[np.float32]:
        values = rows.astype(np.float32)
        if not self.root:
            return values
        sums = rows.sum(axis=1, dtype=np.int64, keepdims=True)
        return np.asarray(np.sqrt(rows / np.maximum(sums, 1)), np.float32)
