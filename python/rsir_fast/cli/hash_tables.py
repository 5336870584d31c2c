"""Options of `rsir reproduce dhcnn2021` and `rsir reproduce hashing`: which runs are made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.cli import checked
from rsir_fast.cli import options as opt
from rsir_fast.cli import recipes as rec
from rsir_fast.cli.reproducing import check_tables_folder

if TYPE_CHECKING:
    from rsir_fast.datasets import Dataset
    from rsir_fast.encoders.encoder import Encoder


@dataclass(frozen=True)
class HashRunOptions:
    """Which runs are made."""

    bits: Annotated[
        list[str] | None,
        typer.Option(
            callback=checked.lengths,
            help="Hash lengths, 8 to 1024: 16,32,64, or the option several times. \\[default: 16,32,64]",
        ),
    ] = None
    seeds: Annotated[
        int, typer.Option(min=1, max=opt.MOST_RESULTS, help="How many, from 0 on: each draws split, weights and order.")
    ] = 3
    freeze_backbone: rec.Frozen = False
    features: Annotated[
        Path | None,
        typer.Option(
            "--features",
            help="Folder of `rsir features --encoder NAME,turns=each`, in place of computing features.",
        ),
    ] = None
    train: rec.TrainShare = None
    split: rec.SplitWord = None
    save_split: rec.SaveSplit = None
    unseen: Annotated[
        float | None,
        typer.Option(
            callback=checked.number(above=0, below=1),
            help="Share of the classes that are not trained on, 0.25 say; their images are ranked among themselves.",
        ),
    ] = None
    draws: Annotated[int, typer.Option(min=1, max=opt.MOST_RESULTS, help="Of unseen classes: in place of --seeds.")] = 5

    def check(self, context: typer.Context) -> None:
        """Refuse options that one another decide."""
        if self.unseen is None:
            rec.refuse_together(context, "a split of every class", ("draws",), "has --seeds")
        else:
            others = ("train", "split", "seeds")
            rec.refuse_together(context, "--unseen", others, "trains on whole classes, --draws times")
        if self.split is not None:
            rec.refuse_together(context, "--split", ("train",), "says which images to train on")
        if self.features is not None:
            rec.refuse_together(context, "--features", ("engine",), "are computed already")

    def save(self, dataset: Dataset, train: float, shots: int | None) -> None:
        """Write the split of each seed, where it is asked for: with the seed in its name where seeds draw several."""
        from rsir_fast.datasets import save_split
        from rsir_fast.protocols.drawing import Drawing

        if self.save_split is None:
            return
        drawing = Drawing.of(train, self.unseen, self.split, dataset, shots)
        seeds = self.drawn if drawing.given is None or shots is not None else range(1)
        for seed in seeds:
            name = f"{self.save_split.stem}-seed{seed}{self.save_split.suffix}"
            path = self.save_split if len(seeds) == 1 else self.save_split.with_name(name)
            save_split(drawing.split(dataset, seed), path)

    def begin(
        self, protocol: str, dataset: Dataset, loaded: Encoder, out: Path | None, train: float, shots: int | None
    ) -> Path:
        """Check the folder of the table, write the splits that are asked for, and return it."""
        if out is None:
            parts = ["reproduce", protocol, dataset.name, loaded.name, loaded.layer]
            parts += ["frozen"] * self.freeze_backbone + ["unseen"] * (self.unseen is not None)
            out = Path("runs") / "-".join(parts).replace("/", "_")
        check_tables_folder(out)
        self.save(dataset, train, shots)
        return out

    @property
    def settings(self) -> dict[str, Any]:
        """What the library is told of the runs, but for the share to train on, which a paper may set."""
        from rsir_fast.archive import Features

        return {
            "lengths": self.lengths,
            "seeds": self.drawn,
            "freeze_backbone": self.freeze_backbone,
            "features": None if self.features is None else Features.load(self.features),
            "unseen": self.unseen,
            "split": self.split,
        }

    @property
    def drawn(self) -> range:
        """The seeds."""
        return range(self.seeds if self.unseen is None else self.draws)

    @property
    def lengths(self) -> list[int]:
        """The hash lengths, each once, the shortest first."""
        return sorted({int(part) for text in self.bits or ["16,32,64"] for part in text.split(",")})
