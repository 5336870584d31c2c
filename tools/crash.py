#!/usr/bin/env python3
"""Kill a command before each of its calls to the file system, or fail the call; then run it again.

Afterwards the folder must be what an undisturbed run leaves, to the byte (of an archive, whose files have drawn names,
what its newest version holds): no refusal, nothing lost, nothing left over, and a failed call must end in one line that
a user can act on. Commands run whole, each in a process forked from one
that has everything imported; calls are counted and hit by an audit hook (open, rename, unlink, mkdir, rmdir, truncate,
flock) and in front of write and fsync, for paths below the output folder, reading opens included.

    tools/crash.py --short 9           so many calls of each, of as many kinds as there are, as CI does it
    tools/crash.py --state FILE        every call of each; goes on where it stopped

What may differ: `timing` in result.json, the section on timing in report.html; and TensorBoard's
events, which it writes in its own way: kills there count, failing calls there do not.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

FAULTS = {"KILL": None, "ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EMFILE": errno.EMFILE}
EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "fcntl.flock"}
LIMIT_S = 300
DRAWN = re.compile(r"[0-9a-f]{16,64}|\.report-[a-z0-9_]{8}")
"""Names that are others in each process: the state must know a call again."""
ARCHIVE = {"versions", "segments", "removed", "order", "skipped", "work"}


@dataclass(frozen=True)
class Scenario:
    """A command, and what is in its folder before.

    Attributes
    ----------
    arguments
        After ``rsir``; DATA, FEW and OUT stand for folders.
    before
        Commands that fill the folder first.
    resume
        The command that must do as well as the same one after a kill, if another.
    """

    arguments: str
    before: tuple[str, ...] = ()
    resume: str = ""


LBP = "features DATA --out OUT --encoder lbp --workers 0 --quiet"
TRAIN = (
    "train dhcnn FEW --out OUT --bits 8 --epochs 2 --freeze-backbone --recipe matlab --encoder squeezenet1_1 "
    "--weights random:0 --workers 0 --device cpu --quiet"
)
SCENARIOS = {
    "features": Scenario(LBP),
    "features --force": Scenario(
        f"{LBP} --force", ("features DATA --out OUT --encoder colour-histogram --workers 0 --quiet",), LBP
    ),
    "train": Scenario(TRAIN),
    "evaluate": Scenario("evaluate ge2018 FEW --out OUT --encoder lbp --workers 0 --examples 1 --quiet"),
    "evaluate again": Scenario(
        "evaluate ge2018 FEW --out OUT --encoder lbp --workers 0 --examples 1 --quiet --anmrr-k mpeg7",
        ("evaluate ge2018 FEW --out OUT --encoder lbp --workers 0 --examples 1 --quiet",),
    ),
}


class Calls:
    """Counts the calls of this process on paths below a folder, and fails the one with a given number."""

    def __init__(self, folder: Path, fault: str, number: int) -> None:
        self.folder, self.fault, self.number = str(folder), fault, number
        self.count = 0
        self.names: list[str] = []

    def install(self) -> None:
        from rsir_fast.base import durable

        sys.addaudithook(self._audit)
        write, sync = durable._Locked.write, os.fsync

        def counted_write(file: Any, content: Any) -> int:
            with durable.written(file.target, file.size):
                self._call("write", str(file.target))
            return write(file, content)

        def counted_sync(file: int) -> None:
            self._call("fsync", os.readlink(f"/proc/self/fd/{file}"))
            sync(file)

        durable._Locked.write = counted_write  # type: ignore[method-assign]
        os.fsync = counted_sync  # type: ignore[assignment]

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS:
            place = arguments[0]
            if isinstance(place, int):
                place = os.readlink(f"/proc/self/fd/{place}") if place >= 0 else ""
            if isinstance(place, str | bytes | os.PathLike):
                self._call(event, os.fsdecode(place))

    def _call(self, name: str, place: str) -> None:
        if not place.startswith(self.folder):
            return
        self.count += 1
        self.names.append(f"{name} {DRAWN.sub('*', place.removeprefix(self.folder))}")
        if self.count != self.number:
            return
        code = FAULTS[self.fault]
        if code is None:
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            raise OSError(code, os.strerror(code))


class Campaign:
    """Runs commands in a folder of its own."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.out, self.said, self.calls = work / "out", work / "said", work / "calls.json"

    def prepare(self) -> None:
        """Make the images, import everything once."""
        import matplotlib.figure  # noqa: F401
        import pyarrow as pa
        import pyarrow.parquet
        import torch
        import torchvision  # noqa: F401

        import rsir_fast.cli
        import rsir_fast.descriptors
        import rsir_fast.hashing
        import rsir_fast.protocols.dhcnn2021
        import rsir_fast.protocols.ge2018
        import rsir_fast.report  # noqa: F401
        from rsir_fast.datasets import generate_scenes

        pa.array([0])  # which imports pandas, where it is installed
        torch.set_num_threads(1)
        generate_scenes(self.work / "data", classes=3, per_class=44, size=32)
        generate_scenes(self.work / "few", classes=2, per_class=3, size=32)

    def run(self, command: str, fault: str = "", number: int = 0) -> int:
        """Run ``rsir`` in a child; return its exit code, negative for a signal."""
        places = {"DATA": self.work / "data", "FEW": self.work / "few", "OUT": self.out}
        arguments = [str(places.get(word, word)) for word in command.split()]
        child = os.fork()
        if child == 0:
            self._child(arguments, Calls(self.out, fault, number) if fault else None)
        until = time.monotonic() + LIMIT_S
        while (found := os.waitpid(child, os.WNOHANG)) == (0, 0):
            if time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.005)
        return os.waitstatus_to_exitcode(found[1])

    def _child(self, arguments: list[str], calls: Calls | None) -> None:
        code = 99
        try:
            file = os.open(self.said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(file, 1)
            os.dup2(file, 2)
            sys.argv = ["rsir", *arguments]
            from rsir_fast.cli import main

            if calls is not None:
                calls.install()
            try:
                main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1 if end.code else 0
            except BaseException:
                import traceback

                traceback.print_exc()
            if calls is not None:
                calls.folder = "/nowhere"
                self.calls.write_text(json.dumps(calls.names))
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def fill(self, scenario: Scenario) -> None:
        """Put into the folder what was there before."""
        shutil.rmtree(self.out, ignore_errors=True)
        kept = self.work / "before"
        if scenario.before and not kept.exists():
            for command in scenario.before:
                assert self.run(command) == 0, self.said.read_text()
            shutil.copytree(self.out, kept)
        elif scenario.before:
            shutil.copytree(kept, self.out)

    def tree(self) -> dict[str, bytes]:
        """All files and folders, without what may differ."""
        found: dict[str, bytes] = {}
        for path in sorted(self.out.rglob("*")):
            name = path.relative_to(self.out).as_posix()
            if name.split("/")[0] != "tensorboard" and not _is_in_archive(path):
                found[name] = _comparable(path)
            if path.name == "versions":
                found |= {f"{name}: {what}": content for what, content in _archive(path.parent).items()}
        return found


def _is_in_archive(path: Path) -> bool:
    places = [place for place in (path, *path.parents) if place.name in ARCHIVE]
    return any((place.parent / "versions").is_dir() for place in places)


def _archive(folder: Path) -> dict[str, bytes]:
    """What the newest version holds, and what is left over."""
    from rsir_fast.archive import Features

    features = Features.load(folder)
    versions = b"".join(path.read_bytes() for path in (folder / "versions").glob("*.json"))
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    left = [name for name in names if "/." in f"/{name}" or name.startswith("work/")]
    left += [name for name in names if re.fullmatch("segments/[^/]*", name) and name[9:].encode() not in versions]
    told = [features.items, features.classes, features.skipped, features.provenance, features.notes, left]
    arrays = {field.name: features[field.name][:].tobytes() for field in features.fields}
    return {"items": repr([*told, str(features.labels)]).encode(), **arrays}


def _comparable(path: Path) -> bytes:
    if path.is_dir():
        return b"a folder"
    content = path.read_bytes()
    if path.name == "result.json":
        return json.dumps({k: v for k, v in json.loads(content).items() if k != "timing"}).encode()
    if path.name == "report.html":
        return re.sub(rb'<section id="timing".*?</section>', b"", content, flags=re.S)
    return content


def differences(found: dict[str, bytes], wanted: dict[str, bytes]) -> list[str]:
    """Say what differs."""
    names = sorted(found.keys() | wanted.keys())
    said = {name: "lost" if name not in found else "left over" if name not in wanted else "differs" for name in names}
    return [f"{name} {said[name]}" for name in names if found.get(name) != wanted.get(name)]


def check(campaign: Campaign, scenario: Scenario, fault: str, number: int, wanted: dict[str, bytes]) -> str:
    """Disturb one call; return what is wrong afterwards, "" if nothing."""
    campaign.fill(scenario)
    code, said = campaign.run(scenario.arguments, fault, number), campaign.said.read_text(errors="replace")
    if code not in ((-signal.SIGKILL,) if fault == "KILL" else (0, 1)):
        return f"exit code {code}: {said[-600:]}"
    if code == 1 and not (said.startswith("rsir: error: ") and said.count("\n") == 1):
        return f"said more or less than one line: {said[-600:]}"
    again = [scenario.arguments]
    if fault == "KILL" and scenario.resume:
        again.insert(0, scenario.resume)
    for command in again:
        code, said = campaign.run(command), campaign.said.read_text(errors="replace")
        refused = command != scenario.arguments and code == 1 and "another encoder" in said and said.count("\n") == 1
        if code != 0 and not refused:
            return f"`rsir {command}` afterwards ended with {code}: {said[-600:]}"
        if not refused and (wrong := differences(campaign.tree(), wanted)):
            return f"`rsir {command}` afterwards left {', '.join(wrong[:5])}"
    return ""


def cases(campaign: Campaign, name: str, faults: list[str], short: int) -> Iterator[tuple[str, int, str]]:
    """Give fault, number and name of each call of a scenario to disturb."""
    scenario = SCENARIOS[name]
    campaign.fill(scenario)
    code = campaign.run(scenario.arguments, "KILL", -1)
    assert code == 0, campaign.said.read_text()
    names: list[str] = json.loads(campaign.calls.read_text())
    if short:
        chosen = some_of_each_kind(names, list(SCENARIOS).index(name))[:short]
        drawn = [(faults[at % len(faults)], number) for at, number in enumerate(chosen)]
    else:
        drawn = [(fault, number) for fault in faults for number in range(1, len(names) + 1)]
    for fault, number in drawn:
        if fault == "KILL" or "/tensorboard" not in names[number - 1]:
            yield fault, number, names[number - 1]


def some_of_each_kind(names: list[str], turn: int) -> list[int]:
    """Order the calls so that the first are of different kinds, others for each turn; of a kind, from its middle on."""
    by_kind: dict[str, list[int]] = {}
    for number, name in enumerate(names, 1):
        by_kind.setdefault(name.split()[0], []).append(number)
    kinds = [numbers[len(numbers) // 2 :] + numbers[: len(numbers) // 2] for _, numbers in sorted(by_kind.items())]
    start = 4 * turn % len(kinds)
    return [number for of in zip_longest(*kinds[start:], *kinds[:start]) for number in of if number is not None]


def all_scenarios(campaign: Campaign, chosen: list[str], faults: list[str], state: Path | None, short: int) -> int:
    """Go through all cases; return how many failed."""
    done = set(state.read_text().splitlines()) if state is not None and state.exists() else set()
    failed = 0
    for name in chosen:
        scenario = SCENARIOS[name]
        shutil.rmtree(campaign.work / "before", ignore_errors=True)
        campaign.fill(scenario)
        assert campaign.run(scenario.arguments) == 0, campaign.said.read_text()
        wanted, tried, wrong, start = campaign.tree(), 0, 0, time.monotonic()
        for fault, number, call in cases(campaign, name, faults, short):
            key = f"{name}|{fault}|{number}|{call}"
            if key in done:
                continue
            found = check(campaign, scenario, fault, number, wanted)
            tried += 1
            wrong += bool(found)
            if found:
                print(f"FAILED {key}: {found}", flush=True)
            elif state is not None:
                with state.open("a") as file:
                    file.write(key + "\n")
        failed += wrong
        print(f"{name}: {tried} calls disturbed, {wrong} failed, {time.monotonic() - start:.0f} s", flush=True)
    return failed


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; all by default")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="repeat; all by default")
    parser.add_argument(
        "--short", type=int, default=0, metavar="N", help="so many calls of each, faults in turn; all by default"
    )
    parser.add_argument("--state", type=Path, help="file of what is done; a later call goes on from it")
    given = parser.parse_args(arguments)
    if unknown := set(given.scenarios) - set(SCENARIOS):
        parser.error(f"expected scenarios out of {', '.join(SCENARIOS)}, got {', '.join(sorted(unknown))}")
    chosen = given.scenarios or list(SCENARIOS)
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "RSIR_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="rsir-crash-") as work:
        campaign = Campaign(Path(work))
        campaign.prepare()
        return min(1, all_scenarios(campaign, chosen, given.fault or list(FAULTS), given.state, given.short))


if __name__ == "__main__":
    sys.exit(main())
