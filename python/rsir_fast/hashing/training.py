"""Training of a hash network, epoch by epoch, by one process or by several (torchrun)."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from rsir_fast.backbones import TURNS, turned, warn_without_bfloat16
from rsir_fast.base.progress import OnProgress, Progress, Stage, is_stopped
from rsir_fast.encoders.hash_network import HashOutput
from rsir_fast.errors import TrainingError
from rsir_fast.hashing.dropout import Dropout
from rsir_fast.hashing.methods import Batch, LossTerms
from rsir_fast.hashing.recipe import Recipe
from rsir_fast.training import Precision, own_rank

__all__ = ["Trainer", "check_parts"]


class Trainer:
    """A network, its optimiser and the memory bank of the codes of all training images.

    Every epoch draws its order, its turns and what is dropped from the seed and its own number alone, so that it can be
    taken up at any epoch. With several processes (torch.distributed is set up) each takes its share of every batch; all
    hold the whole bank, and its rows are refreshed by all before the loss is taken: the sum is that of one process, in
    another order.

    Parameters
    ----------
    network : torch.nn.Module
        `HashHead` for features, `DHCNN` for images; returns `HashOutput`. On the device to train on.
    inputs : Tensor
        Features, float32 [N, dim]; those of each image's turns, float32 [N, turns, dim]; or images, uint8
        [N, 3, size, size]. In host memory or on the device.
    labels : Tensor, int64 [N]
    recipe : Recipe
    seed : int
    precision : {"float32", "bfloat16"}
        ``"bfloat16"``: autocast.
    accumulate : int, at least 1
        Parts in which a batch is passed through the network, to save memory; a part refreshes its rows of the bank when
        it is its turn.
    drop_features : bool
        If the recipe has dropout, features are dropped from before the hash layer, beside the backbone's own layers.
    """

    def __init__(
        self,
        network: nn.Module,
        inputs: Tensor,
        labels: Tensor,
        recipe: Recipe,
        *,
        seed: int = 0,
        precision: Precision = "float32",
        accumulate: int = 1,
        drop_features: bool = False,
    ) -> None:
        if precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision: expected 'float32' or 'bfloat16', got {precision!r}")
        if accumulate < 1:
            raise ValueError(f"accumulate: expected at least 1, got {accumulate}")
        if not 0 <= seed < 2**40:
            raise ValueError(f"seed: expected 0 to {2**40 - 1}, got {seed}")
        self.rank, self.processes = own_rank()
        check_parts(recipe, accumulate)
        self.recipe, self.seed, self.precision, self.accumulate = recipe, seed, precision, accumulate
        self.network = network
        parameter = next(network.parameters())
        self.device = parameter.device
        if precision == "bfloat16":
            warn_without_bfloat16(self.device)
        self.inputs = inputs
        self.labels = labels.to(self.device)
        self.head: Any = getattr(network, "head", network)
        self.stage: Stage = "train network" if hasattr(network, "head") else "train head"
        self.dropout = Dropout(recipe.dropout, network, features=drop_features) if recipe.dropout else None
        self.bank = torch.zeros(len(labels), self.head.bits, device=self.device)
        self.optimizer = recipe.make_optimizer(self.head, getattr(network, "backbone", None))
        self.epoch = 0
        spread = distributed.is_available() and distributed.is_initialized()
        self.run: Any = DistributedDataParallel(network) if spread else network

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return self.recipe.epochs

    def train_epoch(self, progress: OnProgress | None = None) -> dict[str, float]:
        """Train for one epoch.

        Returns
        -------
        dict
            Means over the epoch of the loss and its terms, and the learning rate at its end.

        Raises
        ------
        TrainingError
            If the loss is not finite: names the batch. If the weights are not, at the end of the epoch. If `progress`
            returned False.
        """
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        total = len(self.labels)
        order = torch.randperm(total, generator=draw)
        if self.recipe.loss.per_class > 1:
            order = _by_class(order, self.labels.cpu(), self.recipe.loss.per_class, draw)
        batches = torch.split(order, self.recipe.batch_size)
        turns = torch.randint(TURNS, (total,), generator=draw) if self.recipe.augment else None
        seeds = torch.randint(1 << 62, (len(batches),), generator=draw).tolist() if self.dropout else [0] * len(batches)
        self.network.train()
        sums, seen, start = torch.zeros(4, dtype=torch.float64), 0, time.perf_counter()
        for number, batch in enumerate(batches):
            step = self.epoch * len(batches) + number
            rate = self.recipe.rate(step, len(batches))
            for group in self.optimizer.param_groups:
                group["lr"] = rate * group["factor"]
            terms = self._step(batch, turns, seeds[number], step)
            if not torch.isfinite(terms).all():
                raise TrainingError(
                    f"the loss is not finite in epoch {self.epoch + 1}, batch {number + 1} of {len(batches)} "
                    f"(training images {batch[:8].tolist()}{', ...' if len(batch) > 8 else ''}): "
                    f"{dict(zip(LossTerms._fields, terms.tolist(), strict=True))}; try a lower learning rate"
                )
            self.optimizer.step()
            sums += terms * len(batch)
            seen += len(batch)
            if progress is not None:
                speed = seen / (time.perf_counter() - start)
                left = (total - seen + (self.recipe.epochs - self.epoch - 1) * total) / speed
                means = dict(zip(LossTerms._fields, (sums / seen).tolist(), strict=True))
                at = Progress(
                    self.stage,
                    seen,
                    total,
                    speed,
                    left,
                    epoch=self.epoch + 1,
                    epochs=self.recipe.epochs,
                    terms=means,
                    learning_rate=rate,
                )
                if is_stopped(progress, at):
                    raise TrainingError(f"training stopped in epoch {self.epoch + 1}")
        if not all(parameter.isfinite().all() for parameter in self.network.parameters()):
            raise TrainingError(
                f"the weights are not finite at the end of epoch {self.epoch + 1}; try a lower learning rate"
            )
        self.epoch += 1
        return {**dict(zip(LossTerms._fields, (sums / total).tolist(), strict=True)), "learning_rate": rate}

    def _step(self, batch: Tensor, turns: Tensor | None, seed: int, step: int = 0) -> Tensor:
        """Leave the batch's gradients in the parameters; return its loss terms, float64 [4]; `seed` is for dropout."""
        classifier = self.head.classifier
        self.optimizer.zero_grad(set_to_none=True)
        size = -(-len(batch) // self.accumulate)
        sums = torch.zeros(4, dtype=torch.float64, device=self.device)
        for part, places in zip(torch.split(batch, size), torch.split(torch.arange(len(batch)), size), strict=True):
            mine, places = (each[self.rank :: self.processes] for each in (part, places))
            dropping = self.dropout.drawn(seed, len(batch), places) if self.dropout else nullcontext()
            with dropping, torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
                output: HashOutput = self.run(self._load(mine, turns))
            self._refresh(part, output.u.detach().float())
            seen = Batch(*output, self.labels[mine], self.bank, self.labels, len(batch), step, classifier.weight)
            terms = self.recipe.loss(seen)
            # Processes average their gradients: each has only its images' part of the sum.
            (terms.total * self.processes).backward()  # type: ignore[no-untyped-call]
            sums += torch.stack([term.detach().double() for term in terms])
        if self.recipe.loss.classifier_divisor != 1:
            for parameter in classifier.parameters():
                parameter.grad /= self.recipe.loss.classifier_divisor
        if self.processes > 1:
            distributed.all_reduce(sums)
        return sums.cpu()

    def _load(self, numbers: Tensor, turns: Tensor | None) -> Tensor:
        chosen = numbers.to(self.inputs.device)
        if self.inputs.ndim == 3:
            turn = torch.zeros_like(numbers) if turns is None else turns[numbers] % self.inputs.shape[1]
            loaded = self.inputs[chosen, turn.to(chosen.device)]
        else:
            loaded = self.inputs[chosen]
            if self.inputs.ndim == 4 and turns is not None:
                loaded = _turned(loaded, turns[numbers])
        return loaded.to(self.device, non_blocking=True)

    def _refresh(self, part: Tensor, u: Tensor) -> None:
        rows = u.new_zeros(len(part), u.shape[1])
        rows[self.rank :: self.processes] = u
        if self.processes > 1:
            distributed.all_reduce(rows)
        self.bank[part.to(self.device)] = rows

    def state(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on."""
        return {
            "epoch": self.epoch,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "bank": self.bank,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.epoch = state["epoch"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.bank.copy_(state["bank"])


def check_parts(recipe: Recipe, accumulate: int) -> None:
    """Raise ValueError if a batch is taken in parts, by one process or by several, where the loss needs the whole."""
    processes = own_rank()[1]
    if recipe.loss.compares == "batch" and max(accumulate, processes) > 1:
        raise ValueError(
            f"accumulate: expected 1, and one process, as {recipe.loss.title} compares the images of a whole "
            f"batch; got {accumulate}, and {processes}"
        )


def _by_class(order: Tensor, labels: Tensor, together: int, draw: torch.Generator) -> Tensor:
    """Reorder images so that so many of one class stand together: each once, the groups in a drawn order."""
    sorted_by_class = order[labels[order].argsort(stable=True)]
    groups = [
        group
        for of_class in torch.split(sorted_by_class, torch.bincount(labels).tolist())
        for group in torch.split(of_class, together)
        if len(group)
    ]
    return torch.cat([groups[number] for number in torch.randperm(len(groups), generator=draw).tolist()])


def _turned(images: Tensor, turns: Tensor) -> Tensor:
    """Turn each image [m, 3, s, s] by its own turn, of 0 to 7."""
    result = torch.empty_like(images)
    for turn in range(TURNS):
        chosen = (turns == turn).nonzero()[:, 0]
        result[chosen] = turned(images[chosen], turn)
    return result
