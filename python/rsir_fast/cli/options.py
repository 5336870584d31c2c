"""Options that several commands share, and what they load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

from rsir_fast.base.looking import is_file, is_there
from rsir_fast.cli import checked
from rsir_fast.cli import completion as values
from rsir_fast.cli.choices import AnmrrK as AnmrrK
from rsir_fast.cli.choices import Decoder as Decoder
from rsir_fast.cli.choices import Normalize as Normalize
from rsir_fast.cli.choices import Precision as Precision
from rsir_fast.cli.choices import Resize as Resize
from rsir_fast.cli.memory import keep_freed_memory
from rsir_fast.cli.reader import Bands as Bands
from rsir_fast.cli.reader import Scale as Scale
from rsir_fast.cli.session import note
from rsir_fast.errors import DatasetError, WeightFileError

if TYPE_CHECKING:
    from rsir_fast.datasets import Dataset
    from rsir_fast.encoders.encoder import Encoder
    from rsir_fast.extraction import Features


Loaded = TypeVar("Loaded", covariant=True)


class Maker(Protocol[Loaded]):
    """Options that say what makes features."""

    def load(self) -> Loaded:
        """Load it."""

    def features(self, dataset: Dataset, loaded: Any, **where: Any) -> Features:
        """Make them; `where` as for `rsir_fast.encode`."""


MOST_IMAGES, MOST_THREADS, MOST_EPOCHS, MOST_RESULTS, LAST_SEED = 1 << 16, 1 << 10, 1_000_000, 1000, (1 << 40) - 1
"""Bounds of numbers: more is a slip of the keyboard, and would run for ever or take all memory."""

_NETWORK = "Network"
_RUN = "Run"

BackboneName = Annotated[
    str,
    typer.Option(
        "--backbone",
        "-b",
        callback=checked.known_backbone,
        help="Network: cnn-alex, cnn-m, ..., or any of torchvision's.",
        autocompletion=values.complete_backbone,
        rich_help_panel=_NETWORK,
    ),
]
Layer = Annotated[
    str | None,
    typer.Option(
        "--layer",
        "-l",
        help="pool5, fc6, fc7, gap, or a graph node. Default: the network's.",
        autocompletion=values.complete_layer,
        rich_help_panel=_NETWORK,
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        "-w",
        callback=checked.weights,
        help="Weight file. Default: see `rsir doctor`.",
        rich_help_panel=_NETWORK,
    ),
]
ResizeMode = Annotated[
    Resize, typer.Option(help="Whole image, or short side and centre crop.", rich_help_panel=_NETWORK)
]
DescriptorName = Annotated[
    str | None,
    typer.Option(
        "--descriptor",
        callback=checked.known_descriptor,
        help="No network: bovw-150, bovw-15000 (or bovw-N), morphological-62, colour-histogram, hog, lbp.",
        autocompletion=values.complete_descriptor,
        rich_help_panel=_NETWORK,
    ),
]
BatchSize = Annotated[
    int, typer.Option(min=1, max=MOST_IMAGES, help="Images a forward pass.", rich_help_panel=_NETWORK)
]
PrecisionMode = Annotated[
    Precision, typer.Option(help="bfloat16 is faster where the device has it.", rich_help_panel=_NETWORK)
]
Device = Annotated[
    str | None,
    typer.Option(
        callback=checked.device,
        help="cpu, cuda, cuda:1. Default: CUDA where there is one.",
        autocompletion=values.one_of(values.DEVICES),
        rich_help_panel=_RUN,
    ),
]
JpegDecoder = Annotated[
    Decoder, typer.Option("--decoder", help="cuda: JPEG by nvJPEG; rounds otherwise.", rich_help_panel=_RUN)
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MOST_THREADS,
        help="Threads that decode images. Default: one a core, at most 32.",
        rich_help_panel=_RUN,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_THREADS,
        help="Threads of the search. Never changes a figure. Default: all.",
        rich_help_panel=_RUN,
    ),
]
AllItems = Annotated[
    bool,
    typer.Option("--all-items", help="WHU-RS19: all 1005 images, not the first 50 of each class.", show_default=False),
]
Download = Annotated[
    bool, typer.Option(help="Fetch UC Merced if DATA is named UCMerced_LandUse and not there.", rich_help_panel=_RUN)
]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.", rich_help_panel=_RUN)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.", rich_help_panel=_RUN)]
AllRows = Annotated[
    bool,
    typer.Option("--all-rows", help="Keep rows and columns of the tables that hold no figure.", show_default=False),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        hidden=True,
        help="Not needed: the same command goes on where it was interrupted.",
        rich_help_panel=_RUN,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.", rich_help_panel=_RUN)]


Root = Annotated[
    Path | None,
    typer.Option("--root", help="Where the images of the features are now, if they were moved.", rich_help_panel=_RUN),
]
Turns = Annotated[
    bool,
    typer.Option(
        "--turns", help="Mean over the image's eight turns: overhead scenes have no up.", rich_help_panel=_NETWORK
    ),
]
Sizes = Annotated[
    str | None,
    typer.Option(
        "--sizes",
        callback=checked.sizes,
        help="Mean over input sizes, such as 224,320.",
        rich_help_panel=_NETWORK,
    ),
]
Steps = Annotated[
    str,
    typer.Option(
        "--steps",
        callback=checked.steps,
        help="Post-processing, in this order: power[:P], l2, cosine, center, pca:DIMS, whiten:DIMS; parted by commas.",
        autocompletion=values.parts_of(values.STEPS),
        rich_help_panel="Beyond the paper",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class NetworkOptions:
    """The network and how it is run."""

    backbone: str
    layer: str | None
    weights: str | None
    resize: Resize
    batch_size: int
    precision: Precision
    workers: int | None
    device: str | None
    decoder: Decoder = Decoder.cpu
    model: Path | None = None
    """A file of `rsir train dhcnn`, in place of a backbone."""
    turns: bool = False
    sizes: str | None = None
    each_turn: bool = False

    def load(self) -> Encoder:
        """Load the network."""
        from rsir_fast.backbones import all_turns, averaged, load_backbone
        from rsir_fast.encoders.encoder import Encoder

        keep_freed_memory()
        if self.model is not None:
            from rsir_fast.base.reading import unchanged
            from rsir_fast.hashing import HashModel

            with unchanged(self.model, WeightFileError):
                whole = HashModel.load(self.model).as_backbone(self.model)
                return Encoder(averaged(whole, turns=self.turns), self.precision.value)
        sizes = _sizes(self.sizes)
        loaded = load_backbone(self.backbone, self.layer, self.weights, resize=self.resize.value)
        made = all_turns(loaded) if self.each_turn else averaged(loaded, turns=self.turns, sizes=sizes)
        return Encoder(made, self.precision.value)

    def run(self) -> dict[str, Any]:
        """Return the keyword arguments for `rsir_fast.encode`."""
        return {
            "batch_size": self.batch_size,
            "workers": self.workers,
            "device": self.device,
            "decoder": self.decoder.value,
        }

    def features(self, dataset: Dataset, loaded: Any, **where: Any) -> Features:
        """Extract."""
        from rsir_fast.extraction import encode

        return encode(dataset, loaded, **self.run(), **where)


@dataclass(frozen=True)
class DescriptorOptions:
    """A shallow descriptor and how it is run."""

    name: str
    workers: int | None
    quiet: bool

    def load(self) -> Encoder:
        """Load the descriptor."""
        from rsir_fast.encoders.load import load_encoder

        return load_encoder(self.name)

    def features(self, dataset: Dataset, loaded: Any, **where: Any) -> Features:
        """Describe."""
        from rsir_fast.extraction import encode

        if not loaded.runs.fitted:
            note(f"{loaded.name}: every image is read twice, first for the vocabulary", self.quiet)
        return encode(dataset, loaded, workers=self.workers, **where)


def _sizes(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ValueError(f"--sizes: expected whole numbers parted by commas, got {text!r}") from None


def open_both(
    path: Path,
    network: Maker[Loaded],
    *,
    all_items: bool,
    download: bool,
    quiet: bool,
    bands: str | None = None,
    scale: str | None = None,
) -> tuple[Dataset, Loaded]:
    """Open a data set and load a network or descriptor; what can fail at once comes before what takes long."""
    from rsir_fast.datasets import open_dataset

    device = getattr(network, "device", None)
    if device is not None:
        check_device(device)
    ours = is_features_folder(path / "features") and is_file(path / "report.html")
    if ours or is_features_folder(path):
        raise DatasetError(
            f"expected a folder of images, got {path}, which rsir wrote; to evaluate or search its features, "
            f"name {path / 'features' if ours else path}"
        )
    if is_there(path) or not download:
        dataset = open_dataset(path, all_items=all_items, bands=bands, scale=scale)
        loaded = network.load()
    else:
        loaded = network.load()
        if "merced" in path.name.lower():
            note(f"{path} is not there: downloading UC Merced (317 MiB)", quiet)
        dataset = open_dataset(path, all_items=all_items, download=True, bands=bands, scale=scale)
    for remark in dataset.notes:
        note(f"note: {remark}", quiet)
    return dataset, loaded


def check_device(device: str | None) -> None:
    """Refuse, before the work, a device that torch cannot use here.

    Raises
    ------
    ValueError
        Naming it and the reason.
    """
    from rsir_fast.extraction.devices import usable_device

    usable_device(device)


def is_features_folder(path: Path) -> bool:
    """Tell whether a folder was written by ``rsir features``, looking at two file names first to stay light."""
    if not any(is_file(path / name) for name in ("manifest.json", "extraction.json")):
        return False
    from rsir_fast.extraction.stored import state_of

    return state_of(path) is not None


def refuse_beside_model(context: typer.Context) -> None:
    """Refuse options that say which network, where a model brings its own.

    Raises
    ------
    ValueError
        Naming the option.
    """
    for name in ("backbone", "layer", "weights", "resize", "sizes"):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise ValueError(f"--{name}: expected none beside --model, which brings its own network; leave it out")


def choose(
    context: typer.Context, descriptor: str | None, network: NetworkOptions, *more: str, quiet: bool
) -> Maker[Encoder]:
    """Return the options of the network, or of the descriptor if one is named.

    Raises
    ------
    ValueError
        Naming an option that says which network or how to run it, or one of `more`, given beside a descriptor.
    """
    if descriptor is None:
        return network
    for name in ("backbone", "layer", "weights", "resize", "batch_size", "precision", "decoder", *more):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise ValueError(
                f"--{name.replace('_', '-')}: expected none beside --descriptor, which runs no network; leave it out"
            )
    return DescriptorOptions(descriptor, network.workers, quiet)


def refuse_given(why: str, **given: Any) -> None:
    """Refuse options that were given, none of which is None.

    Raises
    ------
    ValueError
        Naming the first, and saying why.
    """
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"--{name.replace('_', '-')}: {why}; leave it out")


def refuse_network_options(context: typer.Context, *more: str) -> None:
    """Refuse options that say how to extract, and `more`, where features are there already.

    Raises
    ------
    ValueError
        Naming the option.
    """
    network = ("backbone", "layer", "weights", "resize", "turns", "sizes", "bands", "scale")
    for name in (*network, "batch_size", "precision", "workers", "decoder", *more):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise ValueError(
                f"--{name.replace('_', '-')}: expected a folder of images to go with it, got a folder of features, "
                "whose network is already fixed; leave it out"
            )
