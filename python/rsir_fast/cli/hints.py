"""What was meant by an option that a command does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

__all__ = ["hint", "hint_of_command"]

_AGAIN = "it is not needed: the same command again goes on where it was interrupted"
_FIRST = ("--data", "-d", "--dataset", "--datasets", "--images", "--input", "-i", "--folder", "--dir", "--source")
_FORMER = {
    ("--backbone", "-b"): "--encoder NAME",
    ("--layer", "-l"): "--encoder NAME:LAYER",
    ("--descriptor",): "--encoder NAME, such as bovw-150",
    ("--model", "-m"): "--encoder FILE",
    ("--resize",): "--encoder NAME,resize=short-side",
    ("--turns",): "--encoder NAME,turns=mean",
    ("--each-turn",): "--encoder NAME,turns=each",
    ("--sizes",): "--encoder NAME,sizes=224+320",
    ("--precision",): "--encoder NAME,precision=bfloat16",
}
"""What was an option of its own before, and is said by the encoder now."""
_NAMES_ALONE = ("reproduce ge2018", "train pretrain")
"""Commands whose encoders have no options."""
_MEANT = {
    "--all-items": ("--all",),
    "--all-networks": ("--all",),
    "--encoder": ("--network", "--net", "--arch", "--architecture", "--cnn", "-n", "--checkpoint", "--ckpt"),
    "--batch-size": ("--batch", "--bs"),
    "--bits": ("--code-length", "--hash-bits", "--hash-length", "--length"),
    "--device": ("--gpu", "--cuda", "--cpu", "--gpus"),
    "--epochs": ("--num-epochs",),
    "--force": ("--overwrite", "-f", "--replace", "-y", "--yes"),
    "--form": ("--format",),
    "--learning-rate": ("--lr",),
    "--max-pixels": ("--max-size",),
    "--normalize": ("--normalise", "--norm", "--normalization"),
    "--out": ("--output", "--outdir", "--out-dir", "--output-dir", "--dest", "--save"),
    "--quiet": ("--silent", "-s"),
    "--rerank-codes": ("--rerank", "--re-rank"),
    "--rerank": ("--re-rank", "--rerank-codes"),
    "--scenes-per-class": ("--per-class",),
    "--seed": ("--random-seed", "--random-state"),
    "--steps": ("--pca", "--whiten", "--l2", "--postprocess"),
    "--weights": ("--pretrained", "--checkpoint", "--ckpt"),
    "--weights-folder": ("--weights", "-w"),
    "--workers": ("--num-workers", "--jobs", "-j"),
    "-k": ("--k", "--top-k", "--topk", "--top", "-n", "--results", "--num-results"),
}
"""By option: what it was called before, or is called elsewhere."""

_COMMANDS = {
    "features": ("extract", "index", "embed", "encode", "describe"),
    "search": ("query", "retrieve", "find", "knn", "rank"),
    "evaluate": ("eval", "test", "score", "metrics"),
    "doctor": ("info", "version", "env", "list", "check"),
    "train": ("fit", "pretrain", "dhcnn", "finetune"),
}
"""By command: what it is called elsewhere."""

_USAGE = {
    "search": "the folder of `rsir features` and the images to look for are named without an option: "
    "rsir search FEATURES QUERIES",
    "compare": "the folders of `rsir features` are named without an option: rsir compare FEATURES",
    "reproduce ge2018": "the images are named without an option: rsir reproduce ge2018 FOLDER, or NAME=FOLDER, as many "
    "as there are",
}


def hint(name: str, command: Any, path: str, others: Mapping[str, Any]) -> str:
    """Say which option was meant, or where there is one of that name.

    Parameters
    ----------
    name
        What was given, such as ``--lr``.
    command, path
        The command, and its name behind ``rsir``.
    others
        All commands, by their names.
    """
    own = {option for parameter in command.params for option in parameter.opts}
    here = f"`rsir {path}`"
    if name == "--resume":
        return _AGAIN
    if name in ("--verbose", "-v"):
        return "it is not needed: progress is shown, but for --quiet" if "--quiet" in own else "it is not needed"
    if name in _FIRST and path != "doctor":
        return _USAGE.get(path, f"the images are the first argument, without an option: rsir {path} FOLDER")
    if "--encoder" in own:
        if name in ("--rotations", "--augment", "--tta"):
            name = "--turns"
        said = next((now for names, now in _FORMER.items() if name in names), None)
        if said is not None and not ("=" in said and path in _NAMES_ALONE):
            return f"it is {said} now"
    elif path == "search" and name in ("--model", "-m"):
        return "it is --weights FILE now"
    meant = [option for option, names in _MEANT.items() if name in names and option in own]
    if meant:
        return f"it is {' or '.join(meant)}"
    having = [other for other, found in others.items() if name in _options(found)]
    if having:
        return f"it is an option of {_listed([f'`rsir {other}`' for other in having])}, not of {here}"
    near = get_close_matches(name, sorted(option for option in own if option.startswith("--")), n=2, cutoff=0.7)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"`rsir {path} -h` lists what there is"


def hint_of_command(name: str, names: Sequence[str]) -> str:
    """Say which command was meant."""
    meant = [command for command, others in _COMMANDS.items() if name in others and command in names]
    near = meant or get_close_matches(name, names, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {_listed(names)}"


def _options(command: Any) -> Iterator[str]:
    return (option for parameter in command.params if not parameter.hidden for option in parameter.opts)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
