"""``rsir doctor``: everything a bug report needs, and which networks have weights here."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.base.libraries import LIBRARIES
from rsir_fast.base.shared import shared_path
from rsir_fast.cli import options as opt
from rsir_fast.cli.session import print_json, print_result, reported_errors

if TYPE_CHECKING:
    from rich.console import RenderableType


def doctor(
    every: Annotated[
        bool,
        typer.Option(
            "--all-networks", help="List every network, not only those of the paper and those with weights here."
        ),
    ] = False,
    paths: Annotated[
        bool, typer.Option("--paths", help="Say where files lie on this machine, in full; leave it out to share.")
    ] = False,
    json: opt.Json = False,
) -> None:
    """Show versions, instruction sets, devices, and where weights are or would come from.

    Ends with 1, after all of it, where the compiled modules cannot be used as they are or as the environment says.
    """
    from rsir_fast.base.cores import cpu_quota
    from rsir_fast.errors import RsirError

    shown: Callable[[str], str] = str if paths else shared_path

    with reported_errors():
        found: dict[str, Any] = {
            "rsir_fast": _ourselves(),
            "system": {
                "python": platform.python_version(),
                "executable": shown(sys.executable),
                "platform": platform.platform(),
                "cores": len(os.sched_getaffinity(0)),
                "cpu_quota": cpu_quota(),
            },
            "packages": _packages(),
            "cuda": _cuda(),
            "environment": {
                name: shown(value) for name, value in sorted(os.environ.items()) if name.startswith("RSIR_")
            },
            "libraries": {name: library.version for name, library in LIBRARIES.items()},
            "networks": _networks(shown),
        }
        if json:
            print_json(found)
        else:
            print_result(_tables(found, every))
        if problems := found["rsir_fast"].get("problems"):
            raise RsirError("; ".join(problems))


def _ourselves() -> dict[str, Any]:
    from importlib.metadata import version

    from rsir_fast.base import compiled, isa
    from rsir_fast.base.cores import choose_threads

    info: dict[str, Any] = {"version": version("rsir-fast")}
    problems: list[str] = []

    def chosen(choose: Callable[[None], Any]) -> Any:
        try:
            return choose(None)
        except ValueError as error:
            problems.append(str(error))
            return None

    try:
        info["cpu"] = {**compiled.cpu.build_info()}
        info["cpu"]["supported_isas"] = isa.supported_isas()
        info["cpu"]["isa"] = chosen(isa.choose_isa)
        info["cpu"]["threads"] = chosen(choose_threads)
    except ImportError as error:
        problems.append(str(error))
    try:
        info["cuda_kernels"] = compiled.cuda.build_info() if compiled.has_cuda() else None
    except ImportError as error:
        info["cuda_kernels"] = f"cannot be loaded: {error}"
        problems.append(f"cuda_kernels: {error}")
    return {**info, "problems": problems} if problems else info


def _packages() -> dict[str, str | None]:
    from importlib.metadata import PackageNotFoundError, version

    def installed(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    names = ["numpy", "torch", "torchvision", "pillow", "h5py", "safetensors", "pyarrow", "matplotlib"]
    names += ["opencv-python-headless", "higra", "onnxruntime", "openvino", "obstore"]
    return {name: installed(name) for name in names}


def _cuda() -> dict[str, Any]:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "torch_built_for": torch.version.cuda,
        "devices": [torch.cuda.get_device_name(number) for number in range(count)],
    }


def _networks(shown: Callable[[str], str]) -> list[dict[str, Any]]:
    from rsir_fast.backbones import list_backbones

    return [
        {
            "name": info.name,
            "layers": list(info.layers),
            "default_layer": info.default_layer,
            "weights": None if info.path is None else shown(str(info.path)),
            "source": info.source,
            "file": info.weight_file,
            "origin": info.origin,
        }
        for info in list_backbones()
    ]


def _tables(found: dict[str, Any], every: bool) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    facts = Table(box=None, show_header=False)
    for section in ("rsir_fast", "system", "packages", "cuda", "environment"):
        for key, value in found[section].items():
            if isinstance(value, dict):
                value = ", ".join(f"{inner} {content}" for inner, content in value.items())
            facts.add_row(section, key, Text("none" if value in (None, []) else str(value)))
    networks = Table(title="networks", title_justify="left", box=None)
    for column in ("name", "layers", "weights here, or where they would come from"):
        networks.add_column(column, overflow="fold")
    shown = [info for info in found["networks"] if every or info["weights"] or info["name"].startswith("cnn-")]
    for info in shown:
        layers = Text(", ".join(info["layers"]))
        place = f"{info['weights']} ({info['source']})" if info["weights"] else f"missing: {info['origin']}"
        networks.add_row(Text(info["name"]), layers, Text(place))
    for library, installed in found["libraries"].items():
        layers, told = Text(LIBRARIES[library].layer), f"--weights FILE, or its cache ({library} {installed})"
        lacking = f"missing: pip install 'rsir-fast[{library}]'"
        networks.add_row(Text(f"{library}:NAME"), layers, Text(told if installed else lacking))
    hidden = len(found["networks"]) - len(shown)
    rest = f"{hidden} more of torchvision without weights here: --all-networks lists them" if hidden else ""
    return Group(facts, "", networks, rest)
