"""Pictures of items: never from outside the user's folder, never anything but a picture."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rareloop.dashboard.images import image_address, image_bytes
from rareloop.data.errors import InputError
from rareloop.data.workspace import Workspace


def png(colour=(255, 0, 0), kind="PNG") -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(target, kind)
    return target.getvalue()


def make(tmp_path, column, kind):
    folder = tmp_path / "tables"
    folder.mkdir()
    columns = {"x": np.arange(len(column), dtype=float), "picture": column}
    pq.write_table(pa.table(columns), folder / "t.parquet")
    workspace = Workspace.create(folder / "t.rareloop", folder / "t.parquet")
    workspace.roles.image, workspace.roles.image_kind = "picture", kind
    return workspace, folder


def test_a_picture_beside_the_table_is_read(tmp_path):
    workspace, folder = make(tmp_path, ["a.png", "sub/b.jpg", "c.bmp"], "path")
    (folder / "sub").mkdir()
    for name, kind in (("a.png", "PNG"), ("sub/b.jpg", "JPEG"), ("c.bmp", "BMP")):
        (folder / name).write_bytes(png(kind=kind))
    assert image_bytes(workspace, 0) == (png(), "image/png")
    assert image_bytes(workspace, 1)[1] == "image/jpeg"
    assert image_bytes(workspace, 2)[1] == "image/png"  # a format that browsers may not know is turned into one
    assert image_address(workspace, 2) == "item-image/2"


@pytest.mark.parametrize("name", ["../secret.png", "sub/../../secret.png", "link.png", "ABSOLUTE"])
def test_no_path_leads_out_of_the_folder(tmp_path, name):
    secret = tmp_path / "secret.png"
    secret.write_bytes(png())
    workspace, folder = make(tmp_path, [str(secret) if name == "ABSOLUTE" else name], "path")
    (folder / "link.png").symlink_to(secret)
    with pytest.raises(InputError, match="outside"):
        image_bytes(workspace, 0)


@pytest.mark.parametrize("content", [b"<svg onload='alert(1)'/>", b"<html>", b"", b"GIF89a broken"])
def test_what_is_no_picture_is_not_sent(tmp_path, content):
    workspace, folder = make(tmp_path, ["a.png"], "path")
    (folder / "a.png").write_bytes(content)
    with pytest.raises(InputError, match="row 0"):
        image_bytes(workspace, 0)


def test_a_missing_picture_is_said(tmp_path):
    workspace, _ = make(tmp_path, ["none.png", None], "path")
    with pytest.raises(InputError, match=r"'none\.png' cannot be read"):
        image_bytes(workspace, 0)
    with pytest.raises(InputError, match="no picture"):
        image_bytes(workspace, 1)


def test_bytes_and_arrays_are_pictures(tmp_path):
    workspace, _ = make(tmp_path, pa.array([png()], pa.binary()), "bytes")
    assert image_bytes(workspace, 0) == (png(), "image/png")


@pytest.mark.parametrize(("size", "shape"), [(16, (4, 4)), (48, (4, 4, 3))])
def test_pixels_become_a_picture_of_their_shape(tmp_path, size, shape):
    pixels = np.arange(size, dtype=np.uint8)
    workspace, _ = make(tmp_path, pa.FixedSizeListArray.from_arrays(pa.array(pixels), size), "array")
    content, kind = image_bytes(workspace, 0)
    assert kind == "image/png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), pixels.reshape(shape))


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("https://example.org/a.png", "https://example.org/a.png"),
        ("javascript:alert(1)", None),
        ("file:///etc/hosts", None),
        (None, None),
    ],
)
def test_only_web_addresses_are_addresses(tmp_path, value, address):
    workspace, _ = make(tmp_path, pa.array([value], pa.string()), "url")
    assert image_address(workspace, 0) == address


@pytest.mark.parametrize("name", ["x" * 5000 + ".png", "a\0b.png", "loop.png", "", "."])
def test_names_that_are_no_files_are_refused(tmp_path, name):
    workspace, folder = make(tmp_path, [name], "path")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    with pytest.raises(InputError, match="row 0"):
        image_bytes(workspace, 0)


def test_a_huge_picture_is_refused_by_its_header(tmp_path, monkeypatch):
    workspace, folder = make(tmp_path, ["a.png"], "path")
    target = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(target, "PNG")  # 100 million pixels in a few kilobytes
    (folder / "a.png").write_bytes(target.getvalue())
    with pytest.raises(InputError, match=r"10,000 × 10,000 pixels, and 50,000,000 is the most"):
        image_bytes(workspace, 0)
    monkeypatch.setattr("rareloop.dashboard.images.LARGEST_FILE", 1000)
    with pytest.raises(InputError, match="larger than"):
        image_bytes(workspace, 0)


def array(tmp_path, values, kind, pixels=None):
    workspace, _ = make(tmp_path, pa.array([values], kind), "array")
    workspace.settings["card"] = {"pixels": pixels or {}}
    return workspace


def read(workspace):
    return np.asarray(Image.open(io.BytesIO(image_bytes(workspace, 0)[0])))


@pytest.mark.parametrize(
    ("n", "shape", "expected"),
    [(6, [2, 3], (2, 3)), (18, [2, 3], (2, 3, 3)), (24, [2, 3], (2, 3, 4)), (18, [2, 3, 3], (2, 3, 3))],
)
def test_the_shape_of_pixels_can_be_set(tmp_path, n, shape, expected):
    workspace = array(tmp_path, list(range(n)), pa.list_(pa.int32()), {"shape": shape})
    np.testing.assert_array_equal(read(workspace), np.arange(n).reshape(expected))


def test_lists_of_lists_have_their_own_shape(tmp_path):
    rows = [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]]
    workspace = array(tmp_path, rows, pa.list_(pa.list_(pa.float32())))
    assert (workspace.roles.image, workspace.roles.image_kind) == ("picture", "array")
    np.testing.assert_array_equal(read(workspace), [[0, 128, 255], [255, 128, 0]])


def test_one_channel_can_be_coloured(tmp_path):
    kind = pa.list_(pa.float32())
    workspace = array(tmp_path, [0.0, 1.0, float("nan"), None], kind, {"palette": "viridis"})
    np.testing.assert_array_equal(read(workspace), [[[68, 1, 84], [253, 231, 37]], [[68, 1, 84], [68, 1, 84]]])


@pytest.mark.parametrize(
    ("values", "kind", "shape", "what"),
    [
        ([1, 2, 3, 4, 5], pa.list_(pa.int32()), None, "no square picture"),
        ([1, 2, 3, 4, 5], pa.list_(pa.int32()), [2, 3], "do not fill a picture of 2 × 3"),
        ([[1, 2], [3]], pa.list_(pa.list_(pa.int32())), None, "differ in length"),
        ([], pa.list_(pa.int32()), None, "no picture"),
        (["a"], pa.list_(pa.string()), None, "no list of numbers"),
        (None, pa.list_(pa.int32()), None, "no list of numbers"),
    ],
)
def test_arrays_that_are_no_picture_are_said(tmp_path, values, kind, shape, what):
    with pytest.raises(InputError, match=what):
        image_bytes(array(tmp_path, values, kind, {"shape": shape} if shape else None), 0)
