"""The control groups of this process, by which containers and schedulers limit it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["group_folders", "lines_of"]


def group_folders(controller: str, root: Path = Path("/")) -> list[Path]:
    """Return every folder, from the mounted top down to its group, whose limits bind this process.

    Parameters
    ----------
    controller
        ``"cpu"`` or ``"memory"``: of version 1 each has groups of its own; those of version 2 have all.
    root
        The root of the file system that holds ``proc`` and the mounted control groups.

    Returns
    -------
    list of Path
        Nothing where the files of ``proc`` are of another form.
    """
    try:
        return list(_folders(controller, root))
    except ValueError:
        return []


def _folders(controller: str, root: Path) -> Iterator[Path]:
    groups: dict[str, PurePosixPath] = {}  # by controller; "" is version 2
    for line in lines_of(root / "proc/self/cgroup"):  # 4:cpu,cpuacct:/a/b, or 0::/a/b
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), PurePosixPath(path)))
    for line in lines_of(root / "proc/self/mountinfo"):  # id parent device top place options... - type source options
        fields, _, tail = line.partition(" - ")
        kind, _, options = tail.split(" ", 2)
        if kind == "cgroup2":
            group = groups.get("")
        elif kind == "cgroup" and controller in options.split(","):
            group = groups.get(controller)
        else:
            continue
        top, place = fields.split(" ")[3:5]
        mounted = root / place.lstrip("/")
        # In a container the group may be told by its path on the host, which is not mounted: then the top is ours.
        inside = PurePosixPath()
        if group is not None and group.is_relative_to(top) and ".." not in group.parts:
            inside = group.relative_to(top)
        yield mounted
        for depth in range(len(inside.parts)):
            yield mounted.joinpath(*inside.parts[: depth + 1])


def lines_of(path: Path) -> list[str]:
    """Return the lines of a small file; none if there is no such file."""
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
