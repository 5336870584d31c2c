"""Published embeddings into an archive: three real files, and made ones in the shape of others."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

import rsir_fast as rf
from rsir_fast.archive import Features, Snapshot
from rsir_fast.archive.exchange.importing import import_vectors
from rsir_fast.encoders.fields import FieldSpec
from rsir_fast.encoders.spec import ForeignSpec
from rsir_fast.errors import ArchiveError

DRAW = np.random.default_rng(5)
VECTORS = DRAW.standard_normal((6, 8)).astype(np.float32)
BOX = shapely.to_wkb(shapely.box(10.0, 45.0, 10.5, 45.5))


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "archive"


def parquet(tmp_path, columns, metadata=None, name="file"):
    table = pa.table(columns)
    told = {key: json.dumps(value) for key, value in (metadata or {}).items()}
    path = tmp_path / f"{name}.parquet"
    pq.write_table(table.replace_schema_metadata(told), path)
    return path


def lists(rows=VECTORS, kind=None):
    return pa.array([None if row is None else list(map(float, row)) for row in rows], kind or pa.list_(pa.float32()))


def geo(crs=None):
    return {"geo": {"primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB", "crs": crs}}}}


# ---- real files --------------------------------------------------------------------------------------------------


@pytest.mark.data
def test_clay(data_root, archive):
    file = data_root / "published_embeddings" / "03WVN_20220610_20220610_v001.gpq"
    told = import_vectors(archive, file)
    assert (told.rows, told.width, told.skipped) == (417, 768, ())
    found = Features.load(archive)
    table = pq.read_table(file)
    assert np.array_equal(found.matrix, np.array(table["embeddings"].to_pylist(), np.float32))
    assert np.array_equal(found.items.bounds, shapely.bounds(shapely.from_wkb(table["geometry"].to_pylist())))
    assert found.items.column("time").to_pylist()[0].isoformat() == "2022-06-10T00:00:00+00:00"
    assert found.items.column("source_url").to_pylist() == table["source_url"].to_pylist()
    hits = rf.Archive(archive).search(rf.Query(ids=[7], k=2))
    assert hits.ids[0, 0] == 7
    assert hits.squared[0, 0] == 0
    with pytest.raises(rf.RsirError, match="which encoder made them"):
        rf.Archive(archive).search(rf.Query(images="a.jpg"))


@pytest.mark.data
def test_planet(data_root, archive):
    file = data_root / "published_embeddings" / "sample_embeddings.parquet"
    told = import_vectors(archive, file)
    assert (told.rows, told.width) == (3, 512)
    assert [(one.item, one.reason.partition(" ")[0]) for one in told.skipped] == [
        ("sample_embeddings/1", "no"),
        ("sample_embeddings/3", "no"),
        ("sample_embeddings.parquet", "coordinates"),
    ]
    assert "against the CRS that is stated, EPSG:3857" in told.skipped[2].reason
    assert Features.load(archive).items.bounds is None
    right = import_vectors(archive.with_name("right"), file, crs="EPSG:4326")
    assert [one.item for one in right.skipped] == ["sample_embeddings/1", "sample_embeddings/3"]
    assert np.abs(Features.load(archive.with_name("right")).items.bounds[0] + [48.32, 10.18, 48.32, 10.18]).max() < 0.02
    import_vectors(archive, file)
    assert Snapshot(archive).version.number == 1
    import_vectors(archive, file, crs="EPSG:4326")
    mended = Features.load(archive)
    assert np.array_equal(mended.items.bounds, Features.load(archive.with_name("right")).items.bounds)
    assert [one.item for one in mended.skipped] == ["sample_embeddings/1", "sample_embeddings/3"]


@pytest.mark.data
def test_earth_index_has_no_rows_and_names_its_model(data_root, archive):
    told = import_vectors(archive, data_root / "published_embeddings" / "21MNT.parquet")
    assert (told.rows, told.width, told.encoder) == (0, 384, "dinov2_vits14_softcon")
    assert rf.Archive(archive).encoder.title == "dinov2_vits14_softcon"


# ---- made files --------------------------------------------------------------------------------------------------


def test_in_the_shape_of_major_tom(tmp_path, archive):
    file = parquet(
        tmp_path,
        {
            "unique_id": [f"{row:08x}" for row in range(6)],
            "embedding": lists(),
            "timestamp": ["20230101T101530"] * 6,
            "product_id": ["S2A"] * 6,
            "grid_cell": [f"{row}U_3R" for row in range(6)],
            "grid_row_u": pa.array(range(6), pa.int16()),
            "geometry": [BOX] * 6,
            "centre_lat": [45.25] * 6,
            "centre_lon": [10.25] * 6,
            "pixel_bbox": [[0, 0, 224, 224]] * 6,
        },
        geo(),
    )
    import_vectors(archive, file)
    found = Features.load(archive)
    assert found.items[2] == "file/00000002"
    assert found.items.column("time").to_pylist()[0].isoformat() == "2023-01-01T10:15:30+00:00"
    assert found.items.column("grid_row_u").to_pylist() == list(range(6))
    assert found.items.bounds[3].tolist() == [10.0, 45.0, 10.5, 45.5]


def test_in_the_shape_of_alphaearth(tmp_path, archive):
    whole = DRAW.integers(-127, 128, (5, 64)).astype(np.int8)
    whole[3, 9] = -128  # no data
    columns = {f"A{number:02}": whole[:, number] for number in range(64)}
    file = parquet(tmp_path, {**columns, "longitude": [1.0] * 5, "latitude": [2.0] * 5, "year": [2024] * 5})
    with pytest.raises(ArchiveError, match="expected a rule for vectors of int8.*--dequantize"):
        import_vectors(archive, file)
    assert not archive.exists()
    told = import_vectors(archive, file, dequantize="alphaearth")
    assert [one.item for one in told.skipped] == ["file/3"]
    sound = whole[[0, 1, 2, 4]].astype(np.float64)
    assert np.array_equal(Features.load(archive).matrix, (np.sign(sound) * (sound / 127.5) ** 2).astype(np.float32))
    assert Features.load(archive).items.bounds[0].tolist() == [1.0, 2.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("quantization", "values"),
    [({"method": "linear", "scale": [0.5], "offset": [1]}, [-0.5, 2.0]), ({"method": "none"}, [-3.0, 2.0])],
)
def test_a_rule_that_the_file_states(tmp_path, archive, quantization, values):
    column = pa.array([[-3, 2]], pa.list_(pa.int8(), 2))
    import_vectors(archive, parquet(tmp_path, {"embedding": column}, {"emb:quantization": quantization}))
    assert Features.load(archive).matrix.tolist() == [values]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float64()])
@pytest.mark.parametrize("size", [-1, 8])
def test_other_floats_become_float32_once(tmp_path, archive, kind, size):
    numbers = VECTORS.astype(kind.to_pandas_dtype())
    column = pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1)), 8)
    file = parquet(tmp_path, {"embedding": column if size > 0 else column.cast(pa.list_(kind))})
    import_vectors(archive, file)
    assert np.array_equal(Features.load(archive).matrix, numbers.astype(np.float32))


def test_what_is_not_sound_is_listed_and_the_rest_is_there(tmp_path, archive):
    rows = [[1.0, 2.0], None, [1.0], [float("nan"), 0.0], [3.0, 4.0], [1e300, 0.0], []]
    column = pa.array(rows, pa.list_(pa.float64()))
    told = import_vectors(archive, parquet(tmp_path, {"embedding": column, "id": list("abcdefg")}))
    assert [tuple(one) for one in told.skipped] == [
        ("file/b", "no vector"),
        ("file/c", "expected 2 numbers, got 1"),
        ("file/d", "the vector has values that are no finite float32 number"),
        ("file/f", "the vector has values that are no finite float32 number"),
        ("file/g", "expected 2 numbers, got 0"),
    ]
    assert Features.load(archive).matrix.tolist() == [[1, 2], [3, 4]]
    assert [one.item for one in Features.load(archive).skipped] == [one.item for one in told.skipped]


def test_a_hole_in_a_vector(tmp_path, archive):
    column = pa.array([[1.0, None], [3.0, 4.0]], pa.list_(pa.float32()))
    told = import_vectors(archive, parquet(tmp_path, {"embedding": column}))
    assert [one.item for one in told.skipped] == ["file/0"]


def test_a_matrix_with_a_table(tmp_path, archive):
    np.save(tmp_path / "v.npy", VECTORS.astype(">f4"))
    (tmp_path / "t.csv").write_text("id,class,lon,lat\n" + "".join(f"n{row},c{row % 2},{row},5\n" for row in range(6)))
    told = import_vectors(archive, tmp_path / "v.npy", table=tmp_path / "t.csv")
    found = Features.load(archive)
    assert str(told.roles) == "vector is vector, id is id, place is lon and lat, class is class"
    assert np.array_equal(found.matrix, VECTORS)
    assert found.classes == ("c0", "c1")
    assert found.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert found.items.bounds[4].tolist() == [4.0, 5.0, 4.0, 5.0]
    (tmp_path / "short.csv").write_text("id\na\n")
    with pytest.raises(ArchiveError, match="expected a table of 6 rows, one a vector, got 1"):
        import_vectors(archive, tmp_path / "v.npy", table=tmp_path / "short.csv")


def test_another_file_of_the_same_encoder_and_not_of_another(tmp_path, archive):
    import_vectors(archive, parquet(tmp_path, {"embedding": lists()}, name="one"))
    import_vectors(archive, parquet(tmp_path, {"embedding": lists(VECTORS[:2] + 1)}, name="two"))
    assert Features.load(archive).items[5:] == ("one/5", "two/0", "two/1")
    with pytest.raises(ArchiveError, match="holds rows of another encoder"):
        import_vectors(archive, parquet(tmp_path, {"embedding": lists(VECTORS[:, :5])}, name="other"))
    assert Snapshot(archive).version.number == 2


def test_a_changed_row_takes_the_place_of_the_former(tmp_path, archive):
    import_vectors(archive, parquet(tmp_path, {"embedding": lists(), "id": list("abcdef")}))
    changed = VECTORS.copy()
    changed[2] += 1
    import_vectors(archive, parquet(tmp_path, {"embedding": lists(changed), "id": list("abcdef")}))
    found = Features.load(archive)
    assert sorted(found.ids.tolist()) == [0, 1, 3, 4, 5, 6]
    assert np.array_equal(found.matrix[found.ids == 6], changed[2:3])


def test_columns_can_be_told(tmp_path, archive):
    columns = {"a": lists(), "b": lists(VECTORS * 2), "key": list("uvwxyz"), "class": list("ppqqrr")}
    file = parquet(tmp_path, columns)
    with pytest.raises(ArchiveError, match=r"expected one column of vectors, found a, b; name it \(--column vector=a"):
        import_vectors(archive, file)
    import_vectors(archive, file, columns={"vector": "b", "id": "key", "class": ""})
    found = Features.load(archive)
    assert found.items[0] == "file/u"
    assert np.array_equal(found.matrix, VECTORS * 2)
    assert found.labels is None
    assert found.items.column("class_").to_pylist() == list("ppqqrr")
    for told in ({"vector": "c"}, {"id": "no"}):
        with pytest.raises(ArchiveError, match="expected a column for"):
            import_vectors(archive, file, columns=told)
    with pytest.raises(ArchiveError, match="expected a different id in each of 6 rows of 'class'"):
        import_vectors(archive, file, columns={"vector": "b", "id": "class"})
    with pytest.raises(ValueError, match="columns: expected roles out of vector"):
        import_vectors(archive, file, columns={"colour": "b"})


def test_a_projected_crs_becomes_degrees(tmp_path, archive):
    from rasterio.warp import transform

    shape = shapely.box(500000, 5000000, 502240, 5002240)
    file = parquet(tmp_path, {"embedding": lists(VECTORS[:1]), "geometry": [shapely.to_wkb(shape)]}, geo())
    told = import_vectors(archive, file, crs="EPSG:32632")
    assert told.skipped == ()
    row = Features.load(archive).items.rows([0])[0]
    degrees = np.stack(transform("EPSG:32632", "EPSG:4326", *shape.exterior.xy), axis=1)
    assert np.abs(shapely.get_coordinates(shapely.from_wkb(row.geometry)) - degrees).max() < 1e-9
    other = import_vectors(archive.with_name("other"), file)
    assert "are no degrees, against the CRS that is stated, EPSG:4326" in other.skipped[0].reason


def test_an_outline_across_the_antimeridian(tmp_path, archive):
    parts = shapely.MultiPolygon([shapely.box(179, 10, 180, 11), shapely.box(-180, 10, -178, 11)])
    beyond = shapely.box(179, 10, 182, 11)
    file = parquet(
        tmp_path, {"embedding": lists(VECTORS[:2]), "geometry": [shapely.to_wkb(parts), shapely.to_wkb(beyond)]}
    )
    import_vectors(archive, file)
    assert Features.load(archive).items.bounds.tolist() == [[179.0, 10.0, -178.0, 11.0]] * 2


def test_a_known_encoder(tmp_path, archive):
    spec = ForeignSpec(
        stored=(FieldSpec(name="x", kind="vector", dtype="float32", width=8),), told={"model": "clay-1.5"}
    )
    told = import_vectors(archive, parquet(tmp_path, {"embedding": lists()}), encoder=spec)
    assert told.encoder == "clay-1.5"
    assert Features.load(archive)["x"].shape == (6, 8)
    with pytest.raises(
        ArchiveError, match="expected one field of vectors of 5 numbers of clay-1.5, which makes x of 8"
    ):
        import_vectors(archive, parquet(tmp_path, {"embedding": lists(VECTORS[:, :5])}), encoder=spec)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a table at all"])
def test_a_file_that_is_none(tmp_path, archive, content):
    (tmp_path / "file.parquet").write_bytes(content)
    with pytest.raises(ArchiveError, match="expected published embeddings, cannot read it"):
        import_vectors(archive, tmp_path / "file.parquet")
    assert not archive.exists()


def test_no_sound_row_leaves_nothing_behind(tmp_path, archive):
    file = parquet(tmp_path, {"embedding": pa.array([[float("nan")] * 3] * 2, pa.list_(pa.float32()))})
    with pytest.raises(ArchiveError, match="none of 2 rows has one: the vector has values"):
        import_vectors(archive, file)
    assert not archive.exists()


def test_an_interrupted_import_goes_on(tmp_path, archive):
    file = parquet(tmp_path, {"embedding": lists(DRAW.standard_normal((40000, 2)))})
    with pytest.raises(rf.RsirError, match="stopped"):
        import_vectors(archive, file, progress=lambda at: at.done < 20000)
    steps = []
    import_vectors(archive, file, progress=steps.append)
    assert steps[0].done == 32768
    assert len(Features.load(archive)) == 40000


def test_the_command(tmp_path, archive, capsys):
    from typer.testing import CliRunner

    from rsir_fast.cli import app

    file = parquet(tmp_path, {"embedding": lists([*VECTORS[:3], None]), "key": list("abcd")})
    run = CliRunner().invoke(app, ["archive", "import", str(archive), str(file), "--column", "id=key"])
    assert run.exit_code == 3
    assert run.stdout == f"{archive}: version 1, 3 rows of file.parquet, 8 numbers each, by an unknown encoder\n"
    assert "columns: vector is embedding, id is key\n" in run.stderr
    assert "rsir: 1 row could not be read and was left out:\n  file/d: no vector" in run.stderr
    for wrong in (["--column", "id"], ["--column", "colour=a"], ["--dequantize", "twice"], ["--weights", "x"]):
        run = CliRunner().invoke(app, ["archive", "import", str(archive), str(file), *wrong])
        assert run.exit_code == 2


def test_an_archive_that_normalises_takes_vectors_and_stays_so(tmp_path, archive):
    import_vectors(archive, parquet(tmp_path, {"embedding": lists()}, name="one"), normalize="row")
    import_vectors(archive, parquet(tmp_path, {"embedding": lists(VECTORS + 1)}, name="two"))
    assert Snapshot(archive).version.normalize == "row"
    assert len(Features.load(archive)) == 12
    with pytest.raises(ArchiveError, match="expected normalize='row', with which it was made, got 'none'"):
        import_vectors(archive, parquet(tmp_path, {"embedding": lists(VECTORS + 2)}, name="three"), normalize="none")


@pytest.mark.parametrize("made", [None, "row", "none"])
def test_searches_compare_vectors_as_the_archive_was_made_for(tmp_path, archive, made):
    import_vectors(archive, parquet(tmp_path, {"embedding": lists()}), normalize=made)
    squared, ids = rf.euclidean_topk(VECTORS[:2], VECTORS, 3, normalize=made or "none")
    hits = rf.Archive(archive).search(rf.Query(ids=[0, 1], k=3))
    assert hits.ids.tolist() == ids.tolist()
    assert hits.squared.tobytes() == squared.tobytes()
    assert hits.how["normalize"] == (made or "none")
    liked = rf.Archive(archive).search(rf.Query(liked=[0], k=3))
    assert (liked.ids.tolist(), liked.squared.tobytes()) == (ids[:1].tolist(), squared[:1].tobytes())
    pairs = rf.retrieval.near_duplicates(rf.Archive(archive), k=1)
    of_first = (pairs.ids == sorted([0, ids[0, 1]])).all(axis=1)
    assert pairs.squared[of_first].tolist() == [squared[0, 1]]
    said = rf.Archive(archive).search(rf.Query(ids=[0], k=3, normalize="row"))  # a query can say otherwise
    assert said.squared.tobytes() == rf.euclidean_topk(VECTORS[:1], VECTORS, 3, normalize="row")[0].tobytes()
    copy = rf.Features.load(archive).save(tmp_path / "copy")
    again = rf.Archive(copy).search(rf.Query(ids=[0, 1], k=3))
    assert (again.ids.tolist(), again.squared.tobytes()) == (hits.ids.tolist(), hits.squared.tobytes())
    best = rf.Archive(archive).search(rf.Query(liked=[0], k=3, strategy="best"))
    assert (best.how["normalize"], best.how["field"]) == (made or "none", hits.how["field"])
    loose = rf.Features({"one": VECTORS, "two": VECTORS + 1}, tuple("abcdef"), None, (), "x", normalize=made or "none")
    of_one = rf.search(loose.field("one"), rf.Query(ids=[0, 1], k=3))
    assert (of_one.ids.tolist(), of_one.squared.tobytes()) == (hits.ids.tolist(), hits.squared.tobytes())
