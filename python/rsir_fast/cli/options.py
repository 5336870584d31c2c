"""Options that several commands share, and what they load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.base.engine_names import EngineName
from rsir_fast.base.freed_memory import keep_freed_memory
from rsir_fast.base.looking import is_file, is_folder, is_there
from rsir_fast.cli import checked
from rsir_fast.cli import completion as values
from rsir_fast.cli.choices import AnmrrK as AnmrrK
from rsir_fast.cli.choices import AnmrrPenalty as AnmrrPenalty
from rsir_fast.cli.choices import Decoder as Decoder
from rsir_fast.cli.choices import Distance as Distance
from rsir_fast.cli.choices import Divisor as Divisor
from rsir_fast.cli.choices import Normalization as Normalization
from rsir_fast.cli.choices import Normalize as Normalize
from rsir_fast.cli.choices import Precision as Precision
from rsir_fast.cli.reader import Bands as Bands
from rsir_fast.cli.reader import Scale as Scale
from rsir_fast.cli.session import note
from rsir_fast.errors import DatasetError

if TYPE_CHECKING:
    from rsir_fast.archive import Features
    from rsir_fast.datasets import Dataset
    from rsir_fast.encoders.encoder import Encoder


MOST_RANKS = (1 << 31) - 1
MOST_IMAGES, MOST_THREADS, MOST_EPOCHS, MOST_RESULTS, LAST_SEED = 1 << 16, 1 << 10, 1_000_000, 1000, (1 << 40) - 1
"""Bounds of numbers: more is a slip of the keyboard, and would run for ever or take all memory."""

_NETWORK = "Network"
_RUN = "Run"

EncoderWord = Annotated[
    str,
    typer.Option(
        "--encoder",
        "-e",
        callback=checked.encoder,
        help="Network NAME[:LAYER], such as cnn-m:fc6; options after commas: turns=mean, turns=each (kept for `rsir "
        "train`), sizes=224+320, resize=short-side, precision=bfloat16. No network: bovw-150 (or bovw-N; "
        "norm=root, detector=dense), morphological-62, colour-histogram, hog, lbp. Or model.safetensors of "
        "`rsir train`.",
        autocompletion=values.complete_encoder,
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
BatchSize = Annotated[
    int | None,
    typer.Option(min=1, max=MOST_IMAGES, help="Images a forward pass. Default: 32.", rich_help_panel=_NETWORK),
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
    Decoder | None,
    typer.Option("--decoder", help="cuda: JPEG by nvJPEG; rounds otherwise. Default: cpu.", rich_help_panel=_RUN),
]
NetworkEngine = Annotated[
    EngineName | None,
    typer.Option(
        "--engine",
        help="What computes the network: torch, onnx, openvino, or auto: what is going on does so, else the fastest "
        "here. Rounds otherwise. Default: torch; of a search that of its database.",
        rich_help_panel=_RUN,
    ),
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
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, change nothing.", rich_help_panel=_RUN)]
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


Cutoffs = Annotated[
    str | None,
    typer.Option(
        "--cutoffs",
        callback=checked.cutoffs,
        help="Numbers of returned images for precision and recall, such as 1,10,100. Default: the protocol's.",
        show_default=False,
    ),
]
MapAt = Annotated[
    int | None,
    typer.Option(
        "--map-at", min=1, max=MOST_RANKS, help="k of mAP@k beside mAP over the whole ranking.", show_default=False
    ),
]
MapDivisor = Annotated[
    Divisor | None,
    typer.Option(
        "--divisor",
        help="What AP@k divides by: the relevant images found within k, min(k, R) (default), or R, all relevant ones.",
        show_default=False,
    ),
]
Examples = Annotated[int, typer.Option(min=0, max=MOST_RESULTS, help="Results shown for each example query.")]
PerClass = Annotated[bool, typer.Option("--per-class", help="Also print the figures of each class.")]
Root = Annotated[
    Path | None,
    typer.Option("--root", help="Where the images of the features are now, if they were moved.", rich_help_panel=_RUN),
]
FieldName = Annotated[
    str | None,
    typer.Option("--field", help="Of features of several layers: which one.", rich_help_panel=_RUN),
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
Rerank = Annotated[
    str,
    typer.Option(
        "--rerank",
        callback=checked.to_rerank,
        help="expand:K[:ALPHA], augment:K[:ALPHA], diffuse:K[:ALPHA[:GAMMA]]; parted by commas.",
        autocompletion=values.parts_of(values.STAGES),
        rich_help_panel="Beyond the paper",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class EncoderOptions:
    """What makes features, and how it is run."""

    encoder: str
    weights: str | None
    workers: int | None
    batch_size: int | None = None
    device: str | None = None
    decoder: Decoder | None = None
    engine: EngineName | None = None
    quiet: bool = False

    def load(self) -> Encoder:
        """Load the encoder."""
        from rsir_fast.encoders.load import load_encoder

        keep_freed_memory()
        return load_encoder(self.encoder, weights=self.weights)

    def features(self, dataset: Dataset, loaded: Encoder, **where: Any) -> Features:
        """Make features; `where` as for `rsir_fast.encode`."""
        from rsir_fast.extraction import encode

        if not getattr(loaded.runs, "fitted", True):
            note(f"{loaded.name}: every image is read twice, first for the vocabulary", self.quiet)
        decoder = None if self.decoder is None else self.decoder.value
        run: dict[str, Any] = {"batch_size": self.batch_size, "device": self.device}
        run |= {"decoder": decoder, "engine": self.engine}
        return encode(dataset, loaded, workers=self.workers, **run, **where)


def open_both(
    path: Path,
    made_by: EncoderOptions,
    *,
    all_items: bool,
    download: bool,
    quiet: bool,
    bands: str | None = None,
    scale: str | None = None,
) -> tuple[Dataset, Encoder]:
    """Open a data set and load an encoder; what can fail at once comes before what takes long."""
    from rsir_fast.datasets import open_dataset

    if made_by.device is not None:
        check_device(made_by.device)
    ours = is_features_folder(path / "features") and is_file(path / "report.html")
    if ours or is_features_folder(path):
        raise DatasetError(
            f"expected a folder of images, got {path}, which rsir wrote; to evaluate or search its features, "
            f"name {path / 'features' if ours else path}"
        )
    if is_there(path) or not download:
        dataset = open_dataset(path, all_items=all_items, bands=bands, scale=scale)
        loaded = made_by.load()
    else:
        loaded = made_by.load()
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
    """Tell whether a folder was written by ``rsir features``, looking at some names first to stay light."""
    looks = any(is_file(path / name) for name in ("manifest.json", "extraction.json"))
    if not (looks or is_folder(path / "versions") or is_folder(path / "work")):
        return False
    from rsir_fast.archive.folders import features_state

    return features_state(path) is not None


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


def refuse_network_options(context: typer.Context, *more: str, but: str = "") -> None:
    """Refuse options that say how to extract, and `more`, where features are there already; `but` one.

    Raises
    ------
    ValueError
        Naming the option.
    """
    for name in ("encoder", "weights", "bands", "scale", "batch_size", "workers", "decoder", "engine", *more):
        source = context.get_parameter_source(name)
        if name != but and source is not None and source.name == "COMMANDLINE":
            raise ValueError(
                f"--{name.replace('_', '-')}: expected a folder of images to go with it, got a folder of features, "
                "whose encoder is already fixed; leave it out"
            )
