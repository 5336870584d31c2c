"""Pre-training, epoch by epoch, by one process or by several (torchrun)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from rsir_fast.backbones import Preprocessing, warn_without_bfloat16
from rsir_fast.base.progress import OnProgress, Progress, is_stopped
from rsir_fast.datasets import Dataset, Skipped
from rsir_fast.errors import NoImageReadError, TrainingError
from rsir_fast.extraction.loader import Batch, in_groups
from rsir_fast.extraction.stamps import Stamps
from rsir_fast.pretraining.images import TrainingImages, cutter
from rsir_fast.pretraining.network import Classifier
from rsir_fast.pretraining.recipe import PretrainingRecipe
from rsir_fast.training import Precision, gathered, own_rank

__all__ = ["SPEED", "PretrainingTrainer"]

TOP = 5
SPEED = ("images_per_s", "waiting")
"""What an epoch's log says of speed, which no two runs have alike."""


class PretrainingTrainer:
    """A classifier, its optimiser, and the images it learns from.

    Order, crops and mirrors are drawn from the seed and the epoch's number, dropout from those and the step's, for a
    whole batch at once: so a training can be taken up at any epoch, and several processes, each with its share of every
    batch, compute the sum that one would, in another order. An image that cannot be read adds nothing to its batch.

    Parameters
    ----------
    network : Classifier
        On the device to train on.
    images : TrainingImages
    recipe : PretrainingRecipe
    size : int
        Side of the network's input.
    mean : tuple of float
        Of R, G and B, to subtract.
    seed : int
    precision : {"float32", "bfloat16"}
        ``"bfloat16"``: autocast.
    accumulate : int
        Parts in which a batch is passed through the network, to save memory.
    workers : int
        Threads that decode and cut images; 0: none beside the caller's.
    """

    def __init__(
        self,
        network: Classifier,
        images: TrainingImages,
        recipe: PretrainingRecipe,
        *,
        size: int,
        mean: tuple[float, float, float],
        seed: int = 0,
        precision: Precision = "float32",
        accumulate: int = 1,
        workers: int = 0,
    ) -> None:
        self.network, self.images, self.recipe = network, images, recipe
        self.size, self.seed, self.precision, self.accumulate, self.workers = size, seed, precision, accumulate, workers
        self.device = next(network.parameters()).device
        if precision == "bfloat16":
            warn_without_bfloat16(self.device)
        self.mean = mean
        self.epoch = 0
        self.errors: list[float] = []
        self._skipped: dict[tuple[str, int], str] = {}
        self._stamps = Stamps(images.train), Stamps(images.validation)
        parameters = dict(network.named_parameters())
        groups: list[dict[str, Any]] = [
            {"params": [p for name, p in parameters.items() if name.endswith("weight")]},
            {"params": [p for name, p in parameters.items() if name.endswith("bias")], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.SGD(
            groups, lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        self.rank, self.processes = own_rank()
        spread = distributed.is_available() and distributed.is_initialized()
        self.run: Any = DistributedDataParallel(network) if spread else network

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return self.recipe.epochs

    @property
    def skipped(self) -> list[Skipped]:
        """Images that could not be read, as far as they were met."""
        parts = {"train": self.images.train, "validation": self.images.validation}
        return [Skipped(parts[part].items[number], self._skipped[part, number]) for part, number in self._in_order()]

    def _in_order(self) -> list[tuple[str, int]]:
        return sorted(self._skipped)

    def train_epoch(self, progress: OnProgress | None = None) -> dict[str, float]:
        """Train for one epoch, then validate.

        Returns
        -------
        dict
            ``loss`` and ``train_top1``, means over the epoch, with dropout and crops; ``learning_rate``;
            ``validation_loss``, ``top1`` and ``top5``, shares of the validation images; ``images_per_s``, and
            ``waiting``, the share of the time in which the network waited for images, both of training.

        Raises
        ------
        TrainingError
            If the loss is not finite: names the batch. The weights are those before it.
            If `progress` returned False.
        NoImageReadError
            If no image of a part can be read.
        DatasetError
            If an image was replaced, changed or removed since the training began.
        """
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        total = len(self.images.train)
        batches = list(torch.split(torch.randperm(total, generator=draw), self.recipe.batch_size))
        places = torch.rand(total, 3, generator=draw)
        rate = self.recipe.rate(self.epoch, self.errors)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

        def crop(number: int) -> tuple[float, float, bool]:
            across, down, mirror = places[number].tolist()
            return across, down, mirror < 0.5

        groups = [part[self.rank :: self.processes].tolist() for batch in batches for part in self._parts(batch)]
        load = cutter(self.images.train, self.size, self.recipe.short_side, crop)
        loaded = self._timed(
            in_groups(load, groups, (3, self.size, self.size), self.workers, pin_memory=self.device.type == "cuda")
        )
        self.network.train()
        sums, start, seen = torch.zeros(3, dtype=torch.float64), time.perf_counter(), 0
        self._waited = 0.0
        try:
            for number, batch in enumerate(batches):
                found = self._step(batch, number, loaded)
                if not torch.isfinite(found).all():
                    first = ", ".join(self.images.train.items[i] for i in batch[:4].tolist())
                    raise TrainingError(
                        f"the loss is not finite in epoch {self.epoch + 1}, batch {number + 1} of {len(batches)} "
                        f"(images {first}{', ...' if len(batch) > 4 else ''}); try a lower learning rate"
                    )
                self.optimizer.step()
                sums += found
                seen += len(batch)
                if progress is not None:
                    speed = seen / (time.perf_counter() - start)
                    left = (total - seen + (self.epochs - self.epoch - 1) * total) / speed
                    at = Progress(
                        "train network",
                        seen,
                        total,
                        speed,
                        left,
                        epoch=self.epoch + 1,
                        epochs=self.epochs,
                        terms=_means(sums),
                        learning_rate=rate,
                    )
                    if is_stopped(progress, at):
                        raise TrainingError(f"training stopped in epoch {self.epoch + 1}")
        finally:
            loaded.close()
        if not sums[2]:
            raise NoImageReadError(self.images.train.name, self.skipped)
        took = time.perf_counter() - start
        measured = self.validate()
        for stamps in self._stamps:
            stamps.check()
        self.errors.append(1 - measured["top1"])
        for more in gathered(self._skipped):
            self._skipped |= more
        self.epoch += 1
        trained = _means(sums)
        return {
            "loss": trained["loss"],
            "train_top1": trained["top1"],
            "learning_rate": rate,
            **measured,
            **dict(zip(SPEED, (total / took, self._waited / took), strict=True)),
        }

    def validate(self) -> dict[str, float]:
        """Classify the validation images by their centre squares.

        Returns
        -------
        dict
            ``validation_loss``, ``top1`` and ``top5``: shares whose class is the first, or among the first five.
        """
        held = self.images.validation
        mine = list(range(len(held)))[self.rank :: self.processes]
        size = max(1, self.recipe.batch_size // (self.accumulate * self.processes))
        groups = [mine[first : first + size] for first in range(0, len(mine), size)]
        load = cutter(held, self.size, self.recipe.short_side)
        sums = torch.zeros(4, dtype=torch.float64)
        self.network.eval()
        for group, batch in zip(groups, in_groups(load, groups, (3, self.size, self.size), self.workers), strict=True):
            kept = self._note("validation", group, batch)
            labels = self._labels(held, [group[place] for place in kept])
            with torch.inference_mode():
                scores = self._scores(self.network, batch.images)
                best = scores.topk(min(TOP, scores.shape[1]), dim=1).indices == labels[:, None]
                loss = functional.cross_entropy(scores, labels, reduction="sum")
            counts = [loss.double(), best[:, :1].sum().double(), best.sum().double()]
            sums += torch.stack([*counts, torch.full_like(counts[0], len(labels))]).cpu()
        if self.processes > 1:
            distributed.all_reduce(sums)
        if not sums[3]:
            raise NoImageReadError(f"{held.name}, to validate with", self.skipped)
        loss_, first, five = (sums[:3] / sums[3]).tolist()
        return {"validation_loss": loss_, "top1": first, "top5": five}

    def _parts(self, batch: Tensor) -> tuple[Tensor, ...]:
        return torch.split(batch, -(-len(batch) // self.accumulate))

    def _step(self, batch: Tensor, number: int, loaded: Iterator[Batch]) -> Tensor:
        """Leave the batch's gradients in the parameters; return loss, hits and readable images, float64 [3]."""
        self.optimizer.zero_grad(set_to_none=True)
        draw = torch.Generator(self.device).manual_seed(self._seed_of(number))
        keep = self.network.dropout_factors(len(batch), self.recipe.dropout, draw)
        sums = torch.zeros(3, dtype=torch.float64)
        parts = self._parts(batch)
        offset = 0
        for index, part in enumerate(parts):
            mine = torch.arange(offset, offset + len(part))[self.rank :: self.processes]
            offset += len(part)
            found = next(loaded)
            numbers = batch[mine].tolist()
            kept = self._note("train", numbers, found)
            labels = self._labels(self.images.train, [numbers[place] for place in kept])
            # Gradients of all parts travel between the processes once, with the last.
            last = self.processes == 1 or index == len(parts) - 1
            with nullcontext() if last else self.run.no_sync():
                scores = self._scores(self.run, found.images, keep[mine[kept].to(self.device)])
                loss = functional.cross_entropy(scores, labels, reduction="sum")
                # Processes average their gradients: each has only its images' part of the sum.
                (loss * (self.processes / len(batch))).backward()  # type: ignore[no-untyped-call]
            hits = (scores.argmax(1) == labels).sum()
            counts = [loss.detach().double(), hits.double(), torch.full_like(loss, len(labels), dtype=torch.float64)]
            sums += torch.stack(counts).cpu()
        if self.processes > 1:
            distributed.all_reduce(sums)
        return sums

    def _seed_of(self, number: int) -> int:
        return ((self.seed * 1_000_003 + self.epoch) * 1_000_003 + number) % (1 << 63)

    def _scores(self, network: Any, images: Tensor, *keep: Tensor) -> Tensor:
        values = self._normalize(images.to(self.device, non_blocking=True))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            scores: Tensor = network(values, *keep)
        return scores.float()

    @cached_property
    def _normalize(self) -> Callable[[Tensor], Tensor]:
        return Preprocessing(self.size, divisor=1.0, mean=self.mean, std=(1.0, 1.0, 1.0)).normalizer(self.device)

    def _note(self, part: str, numbers: list[int], batch: Batch) -> list[int]:
        """Remember what could not be read; return the places in `numbers` of the images that could."""
        unreadable = {each.number: each.reason for each in batch.skipped}
        self._skipped |= {(part, number): reason for number, reason in unreadable.items()}
        return [place for place, number in enumerate(numbers) if number not in unreadable]

    def _labels(self, data: Dataset, numbers: list[int]) -> Tensor:
        return torch.from_numpy(data.require_labels()[numbers]).to(self.device)

    def _timed(self, loaded: Any) -> Any:
        """Pass batches on, and count the seconds that they were waited for."""
        try:
            while True:
                start = time.perf_counter()
                batch = next(loaded, None)
                self._waited += time.perf_counter() - start
                if batch is None:
                    return
                yield batch
        finally:
            loaded.close()

    def state(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on."""
        return {
            "epoch": self.epoch,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "errors": self.errors,
            "mean": list(self.mean),
            "skipped": [(part, number, self._skipped[part, number]) for part, number in self._in_order()],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.epoch = state["epoch"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.errors = list(state["errors"])
        red, green, blue = state["mean"]
        self.mean = (red, green, blue)
        self._skipped = {(part, number): reason for part, number, reason in state["skipped"]}


def _means(sums: Tensor) -> dict[str, float]:
    loss, hits, images = sums.tolist()
    return {"loss": loss / images, "top1": hits / images} if images else {"loss": 0.0, "top1": 0.0}
