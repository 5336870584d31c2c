"""Options of commands that learn codes: how to train, and on what part of the images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.cli import checked
from rsir_fast.cli import completion as values
from rsir_fast.cli.options import (
    MOST_EPOCHS,
    MOST_IMAGES,
    EncoderOptions,
    Precision,
    PrecisionMode,
    Weights,
)

if TYPE_CHECKING:
    from rsir_fast.datasets import LabelNoise
    from rsir_fast.hashing import Method, Recipe
    from rsir_fast.protocols import PaperSetting

SHARE = 0.8
"""Of every class to train on, where nothing else is said."""


class RecipeName(str, Enum):
    """Optimiser, schedule and loss."""

    modern = "modern"
    matlab = "matlab"
    pytorch = "pytorch"


class LossWeighting(str, Enum):
    """Which of the two losses has the weight eta."""

    matlab = "matlab"
    pytorch = "pytorch"


class SimilarityGradient(str, Enum):
    """Gradient of the similarity term: p times the exact one, as in the authors' code, or exact."""

    paper_code = "paper-code"
    exact = "exact"


class NoiseName(str, Enum):
    """What a wrong label is."""

    symmetric = "symmetric"
    asymmetric = "asymmetric"


_PANEL = "Recipe"
_HARD = "Harder training"

RecipeOption = Annotated[
    RecipeName,
    typer.Option(help="modern (ours), or that of the authors' MATLAB or PyTorch release.", rich_help_panel=_PANEL),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_EPOCHS,
        help="Of the whole network, or of the head if it is alone. Default: the recipe's.",
        rich_help_panel=_PANEL,
    ),
]
Images = Annotated[
    int | None,
    typer.Option(
        "--batch-size", min=1, max=MOST_IMAGES, help="Images a step. Default: the recipe's.", rich_help_panel=_PANEL
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        callback=checked.number(above=0),
        help="Of the head, at its highest. Default: the recipe's.",
        rich_help_panel=_PANEL,
    ),
]
Beta = Annotated[
    float | None,
    typer.Option(
        callback=checked.number(least=0),
        help="Weight of the distance from binary. Default: the recipe's, 25 or 10, or the paper's by --paper.",
        rich_help_panel=_PANEL,
    ),
]
Eta = Annotated[
    float | None,
    typer.Option(
        callback=checked.number(least=0, most=1),
        help="Weight of one of the losses, 0 to 1. Default: 0.2.",
        rich_help_panel=_PANEL,
    ),
]
Weighting = Annotated[
    LossWeighting | None,
    typer.Option(
        "--loss-weighting",
        help="Has eta: the similarity (matlab) or the labels (pytorch). Default: the recipe's.",
        rich_help_panel=_PANEL,
    ),
]
Gradient = Annotated[
    SimilarityGradient | None,
    typer.Option("--similarity-gradient", help="Default: the recipe's.", rich_help_panel=_PANEL),
]
Accumulate = Annotated[
    int, typer.Option(min=1, max=MOST_IMAGES, help="Parts in which a batch passes the network.", rich_help_panel=_PANEL)
]
Paper = Annotated[
    bool,
    typer.Option(
        "--paper",
        help="Training share, beta and cut-offs of Song et al. 2021 or their release for this data set: UC Merced, "
        "AID, WHU-RS19 or PatternNet. Other options have their way.",
        rich_help_panel=_PANEL,
    ),
]
TrainShare = Annotated[
    float | None,
    typer.Option(
        "--train",
        callback=checked.number(above=0, below=1),
        help="Share of every class to train on. \\[default: 0.8]",
    ),
]
TrainShareOrPaper = Annotated[
    float | None,
    typer.Option(
        "--train",
        callback=checked.number(above=0, below=1),
        help="Share of every class to train on. \\[default: 0.8, or that of --paper where there is one]",
    ),
]
SplitWord = Annotated[
    str | None,
    typer.Option(
        "--split",
        callback=checked.split,
        help="80/20, 50/50, 70/30, 20/80, 10/90: drawn in every class; a split in a file (.json); or a list of images "
        "to train on (train.txt), the others or those of test.txt beside it to test on. In place of --train.",
    ),
]
SaveSplit = Annotated[
    Path | None,
    typer.Option("--save-split", metavar="FILE", help="Write the split: .json, or two lists, train.txt and test.txt."),
]
Frozen = Annotated[
    bool,
    typer.Option(
        "--freeze-backbone", help="Train the hash layer and classifier alone: seconds on a CPU, after the features."
    ),
]


@dataclass(frozen=True)
class LearningOptions:
    """How any method is trained; what is not given is the recipe's own."""

    recipe: RecipeOption = RecipeName.modern
    epochs: Epochs = None
    batch_size: Images = None
    learning_rate: LearningRate = None

    def with_given(self, encoder: str, loss: Method | None = None) -> Recipe:
        """Return the recipe with what was given in place of its own; epochs are told apart, by who trains.

        Parameters
        ----------
        encoder : str
            Its word has its way where it says how images are resized.
        loss : Method, optional
            In place of the recipe's, which is that of DHCNN.
        """
        from rsir_fast.encoders.word import parse_word
        from rsir_fast.hashing import RECIPES

        own: dict[str, Any] = {"batch_size": self.batch_size, "learning_rate": self.learning_rate, "loss": loss}
        chosen = replace(RECIPES[self.recipe.value], **_given(own))
        return replace(chosen, resize=None) if "resize" in parse_word(encoder).model_fields_set else chosen


@dataclass(frozen=True)
class RecipeOptions(LearningOptions):
    """How DHCNN is trained."""

    paper: Paper = False
    beta: Beta = None
    eta: Eta = None
    loss_weighting: Weighting = None
    similarity_gradient: Gradient = None
    accumulate: Accumulate = 1

    def setting(self, dataset: str) -> PaperSetting | None:
        """Return the paper's setting for a data set, if it was asked for.

        Raises
        ------
        ValueError
            If the paper does not have the data set.
        """
        from rsir_fast.protocols import dhcnn2021_paper

        return dhcnn2021_paper(dataset) if self.paper else None

    def chosen(self, encoder: str, paper: PaperSetting | None = None) -> Recipe:
        """Return the recipe with what was given, of the loss as well, in place of its own."""
        loss = {
            "beta": paper.beta if self.beta is None and paper is not None else self.beta,
            "eta": self.eta,
            "loss_weighting": None if self.loss_weighting is None else self.loss_weighting.value,
            "similarity_gradient": None if self.similarity_gradient is None else self.similarity_gradient.value,
        }
        recipe = self.with_given(encoder)
        return replace(recipe, loss=replace(recipe.loss, **_given(loss)))


NetworkWord = Annotated[
    str,
    typer.Option(
        "--encoder",
        "-e",
        callback=checked.network,
        help="Network NAME[:LAYER], such as cnn-m:fc6; how images are resized after a comma: resize=short-side.",
        autocompletion=values.complete_encoder,
        rich_help_panel="Network",
    ),
]


@dataclass(frozen=True)
class BackboneOptions:
    """The network to train, or whose features are hashed."""

    encoder: NetworkWord = "mobilenet_v2"
    weights: Weights = None
    precision: PrecisionMode = Precision.float32

    def run_as(self, workers: int | None, device: str | None) -> EncoderOptions:
        """Return what makes its features, and how it is run."""
        return EncoderOptions(self.encoder, self.weights, workers, device=device)


@dataclass(frozen=True)
class HarderOptions:
    """Little to learn from, or wrong labels."""

    shots: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_IMAGES, help="Training images of every class to keep.", rich_help_panel=_HARD),
    ] = None
    label_noise: Annotated[
        float | None,
        typer.Option(
            callback=checked.number(above=0, below=1),
            help="Share of wrong labels in every class, in training only.",
            rich_help_panel=_HARD,
        ),
    ] = None
    noise: Annotated[
        NoiseName,
        typer.Option(help="A wrong label is any other class, or always the next one.", rich_help_panel=_HARD),
    ] = NoiseName.symmetric

    def wrong(self, context: typer.Context) -> LabelNoise | None:
        """Return the wrong labels that are asked for."""
        from rsir_fast.datasets import LabelNoise

        if self.label_noise is None:
            refuse_together(context, "no --label-noise", ("noise",), "is its share")
            return None
        return LabelNoise(self.label_noise, self.noise.value)


def train_share(given: float | None, paper: PaperSetting | None) -> float:
    """Return the share of every class to train on: what was given, else the paper's, else ours."""
    if given is not None:
        return given
    return SHARE if paper is None else paper.train


def refuse_together(context: typer.Context, option: str, others: tuple[str, ...], why: str) -> None:
    """Refuse options that another one decides.

    Raises
    ------
    ValueError
        Naming both.
    """
    for other in others:
        source = context.get_parameter_source(other)
        if source is not None and source.name == "COMMANDLINE":
            absent = option.removeprefix("no ")
            remedy = "leave one out" if absent == option else f"give {absent} as well"
            raise ValueError(f"--{other.replace('_', '-')}: expected none beside {option}, which {why}; {remedy}")


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
