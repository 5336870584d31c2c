"""Published embeddings into an archive: what is sound is kept, the rest is listed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from rsir_fast.archive.exchange.dequantize import Rule
from rsir_fast.archive.exchange.facts import Facts, facts_of
from rsir_fast.archive.exchange.files import EmbeddingFile, open_file
from rsir_fast.archive.exchange.geometry import check_crs
from rsir_fast.archive.exchange.model import Model, model_of
from rsir_fast.archive.exchange.roles import ROLES, Roles, roles_of
from rsir_fast.archive.exchange.rows import FileRows
from rsir_fast.archive.exchange.vectors import usual_width
from rsir_fast.archive.folders import clear_empty
from rsir_fast.archive.inputs import ROOT, About
from rsir_fast.archive.roots import Root, new_root
from rsir_fast.archive.snapshot import Snapshot
from rsir_fast.archive.versions import is_archive
from rsir_fast.archive.writer import Writer
from rsir_fast.base.meter import Meter
from rsir_fast.base.progress import OnProgress
from rsir_fast.base.reading import reading
from rsir_fast.base.text import listed, printable
from rsir_fast.datasets.scan import natural_key
from rsir_fast.datasets.skipped import Skipped
from rsir_fast.encoders.fields import FieldSpec
from rsir_fast.encoders.spec import ForeignSpec, Spec
from rsir_fast.errors import ArchiveError

__all__ = ["Imported", "import_vectors"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes
    ----------
    archive : Path
    version : int
        The newest now.
    rows : int
        Sound ones in the file.
    width : int
        Numbers a vector.
    roles : Roles
        Which column was taken for what.
    encoder : str
        What made the vectors, as far as is known.
    skipped : tuple of Skipped
        Rows that were left out, and why; places that are not believed.
    """

    archive: Path
    version: int
    rows: int
    width: int
    roles: Roles
    encoder: str
    skipped: tuple[Skipped, ...] = ()


def import_vectors(
    archive: str | Path,
    file: str | Path,
    *,
    table: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    crs: str | None = None,
    dequantize: str | None = None,
    encoder: Spec | None = None,
    made: Mapping[str, Any] | None = None,
    normalize: Literal["none", "row"] | None = None,
    progress: OnProgress | None = None,
    before: Snapshot | None = None,
) -> Imported:
    """Add the vectors of a file to an archive, which is made where there is none.

    Parameters
    ----------
    archive : path
    file : path
        Parquet or GeoParquet, whose vectors are lists (of fixed size or not) of float16, float32, float64 or whole
        numbers, or columns ``A00``, ``A01``, ... of them; or a matrix in .npy.
    table : path, optional
        Of a matrix: Parquet or CSV, a row a vector.
    columns : mapping, optional
        Columns by role: ``vector``, ``id``, ``geometry`` (WKB), ``longitude`` and ``latitude``, ``time``, ``class``; an
        empty name: there is none. Default: by their names and types.
    crs : str, optional
        Of the geometry, in place of the one that the file states.
    dequantize : str, optional
        What whole numbers stand for: ``none``, ``linear:SCALE[,OFFSET]``, ``alphaearth``. Default: what the file states
        (the quantization of the STAC embedding extension); without either they are refused.
    encoder : Spec, optional
        What made the vectors. Default: what the file says, which lets nobody encode a query image with it.
    made : mapping, optional
        What is told of that encoder: its provenance.
    normalize : {"none", "row"}, optional
        With what vectors are searched; fixed when the archive is made. Default of a new one ``"none"``: they are as
        published.
    progress : callable, optional
        Called with a `Progress` after every batch; returning False stops the import, which the same call goes on with.
    before : Snapshot, optional
        A version of the archive that is open: what it shares with the newest is not read again.

    Returns
    -------
    Imported

    Raises
    ------
    ArchiveError
        If the file is none of embeddings, no row is sound, or the archive holds vectors of another encoder; nothing is
        left behind.

    Notes
    -----
    Numbers are widened to float32, or rounded to it, once. Adding the same file again adds nothing.

    Examples
    --------
    >>> import tempfile
    >>> from rsir_fast.archive.features import Features
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/v.npy", np.arange(6, dtype=np.float32).reshape(3, 2))
    ...     told = import_vectors(f"{folder}/A", f"{folder}/v.npy")
    ...     told.rows, Features.load(f"{folder}/A").matrix.tolist()
    (3, [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    """
    folder, path = Path(archive), Path(file)
    unknown = [role for role in columns or {} if role not in ROLES]
    if unknown:
        raise ValueError(f"columns: expected roles out of {', '.join(ROLES)}, got {unknown[0]!r}")
    rule = None if dequantize is None else Rule.parse(dequantize)
    if crs is not None:
        check_crs(crs)
    opened = open_file(path, None if table is None else Path(table))
    with reading(path, "published embeddings", "get the file again, or name its columns (--column)", ArchiveError):
        model = model_of(opened.metadata)
        own = model.spec
        stated = {} if own is None else _own_roles(own, opened.schema.names)
        roles = roles_of(printable(path), opened.schema, {**stated, **(columns or {})}, opened.primary)
        if own is not None:
            roles = roles.model_copy(update={"kept": tuple(pair for pair in roles.kept if pair[0] != "id"), "left": ()})
        spec = _spec(path, opened, roles, model, encoder)
        # Items of our own exports keep their names, where there are no others.
        root = Root(ROOT, str(path.absolute())) if own and not is_archive(folder) else new_root(folder, path)
        facts = facts_of(opened, roles, root.name, crs, id_told=bool((columns or {}).get("id")))
        rows = FileRows(opened, _columns(spec, roles, own), spec.fields, _rule(path, opened, roles, model, rule))
        told = _Told(path, root, model, made or {}, facts)
        if normalize is None and not is_archive(folder):  # of one that is there it is fixed
            normalize = model.normalize
        wrong, version = _write(folder, spec, normalize, facts, rows, told, progress, before)
    return Imported(
        folder,
        version,
        len(facts) - len(wrong),
        spec.fields[0].width,
        roles,
        model.title if encoder is None else encoder.title,
        (*wrong, *(Skipped(path.name, doubt) for doubt in facts.doubts)),
    )


class _Told(NamedTuple):
    """What is told of an import beside its rows."""

    path: Path
    root: Root
    model: Model
    made: Mapping[str, Any]
    facts: Facts

    def about(self) -> About:
        """Return it as a writer takes it."""
        classes = {name for name in self.facts.classes if name is not None}
        return About(
            name=self.path.stem,
            roots={self.root.name: self.root.folder},
            classes=sorted(classes, key=natural_key),
            labelled=bool(classes),
            unreadable=[(self.path.name, doubt) for doubt in self.facts.doubts],
            made={**self.model.made, **self.made},
        )


def _write(
    folder: Path,
    spec: Spec,
    normalize: Literal["none", "row"] | None,
    facts: Facts,
    rows: FileRows,
    told: _Told,
    progress: OnProgress | None,
    before: Snapshot | None,
) -> tuple[list[Skipped], int]:
    """Commit the sound rows; return the others, and the number of the version."""
    is_new = not is_archive(folder)
    with Writer(
        folder,
        spec,
        {},
        facts,
        about=told.about(),
        sha256=rows.digest,
        normalize=normalize,
        keeping=True,
        before=before,
    ) as writer:
        is_todo = np.zeros(len(facts), bool)
        is_todo[writer.todo] = True
        meter = Meter("import", len(facts), len(facts) - int(is_todo.sum()), progress)
        for batch in rows.batches() if is_todo.any() else ():
            wanted = is_todo[batch.rows]
            wrong = [(row, reason) for row, reason in batch.wrong if is_todo[row]]
            which = batch.rows[wanted].tolist()
            if which or wrong:
                some = {name: block if wanted.all() else block[wanted] for name, block in batch.blocks.items()}
                writer.add(which, some, wrong)
                meter.add(len(which) + len(wrong), len(wrong))
        skipped = [Skipped(facts[number].name, reason) for number, reason in writer.skipped]
        if facts and len(skipped) == len(facts):
            writer.abandon()
            if is_new:
                clear_empty(folder)
            reasons = listed(list(dict.fromkeys(one.reason for one in skipped))[:3])
            raise ArchiveError(
                f"{printable(told.path)}: expected vectors, none of {len(facts)} rows has one: {reasons}"
            )
        return skipped, writer.commit().version.number


def _own_roles(spec: Spec, names: Collection[str]) -> dict[str, str]:
    """Return the columns of our own exports."""
    there = {"id": "item", "time": "time", "class": "class", "geometry": "geometry"}
    return {"vector": spec.fields[0].name, **{role: name if name in names else "" for role, name in there.items()}}


def _columns(spec: Spec, roles: Roles, own: Spec | None) -> dict[str, Sequence[str]]:
    if own is None:
        return {spec.fields[0].name: roles.vector}
    return {field.name: (field.name,) for field in spec.fields}


def _spec(path: Path, opened: EmbeddingFile, roles: Roles, model: Model, given: Spec | None) -> Spec:
    """Return what the archive says of the encoder."""
    if model.spec is not None:
        if given is not None and given != model.spec:
            raise ArchiveError(
                f"{printable(path)}: expected the encoder that made it, {model.title}, got {given.title}; leave "
                "--encoder out"
            )
        found: Spec = model.spec
        return found
    width = _width(opened, roles)
    if not width:
        raise ArchiveError(f"{printable(path)}: expected vectors, found none in its {opened.rows:,} rows")
    if given is None:
        name = roles.vector[0] if len(roles.vector) == 1 and _NAME.fullmatch(roles.vector[0]) else "vector"
        stored = FieldSpec(name=name, kind="vector", dtype="float32", width=width)
        return ForeignSpec(stored=(stored,), told=model.told)
    fields = [field for field in given.fields if field.is_searched]
    if len(given.fields) > 1 or fields[0].kind != "vector" or fields[0].width != width:
        told = ", ".join(f"{field.name} of {field.width}" for field in given.fields)
        raise ArchiveError(
            f"{printable(path)}: expected one field of vectors of {width} numbers of {given.title}, which makes "
            f"{told}; name the encoder that made these (--encoder)"
        )
    return given


def _width(opened: EmbeddingFile, roles: Roles) -> int:
    if len(roles.vector) > 1:
        return len(roles.vector)
    kind = opened.schema.field(roles.vector[0]).type
    if hasattr(kind, "list_size"):
        return int(kind.list_size)
    found = (usual_width(lists["vector"]) for _, lists in opened.vectors({"vector": roles.vector}))
    return next((width for width in found if width), 0)


def _rule(path: Path, opened: EmbeddingFile, roles: Roles, model: Model, given: Rule | None) -> Rule | None:
    """Return what whole numbers stand for; None for vectors that are none."""
    kind = opened.schema.field(roles.vector[0]).type
    number = kind.value_type if len(roles.vector) == 1 else kind
    if not str(number).startswith(("int", "uint")):
        if given is not None:
            raise ArchiveError(f"{printable(path)}: expected no rule for vectors of {number}; leave --dequantize out")
        return None
    rule = given or model.rule
    if rule is None:
        raise ArchiveError(
            f"{printable(path)}: expected a rule for vectors of {number}, as the file states none; give it: "
            "--dequantize linear:SCALE,OFFSET, alphaearth, or none where they stand for themselves"
        )
    return rule
