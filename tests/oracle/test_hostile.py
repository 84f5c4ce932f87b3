"""Files made to do harm, which random mutations do not find: each is an error that says what is wrong, in a moment."""
import json
import struct

import h5py
import numpy as np
import pytest
import xarray as xr

import craton

craton.enable()

SECONDS = 60  # of the whole test; what it guards against would take years


@pytest.mark.timeout(SECONDS)
def test_a_tree_of_chunks_that_leads_to_an_empty_node_over_and_over(tmp_path):
    """64 children at each of 12 levels, all of them the one node below."""
    path = tmp_path / "d.h5"
    with h5py.File(path, "w", libver="earliest") as f:
        f.create_dataset("v", data=np.arange(6.0), chunks=(2,), maxshape=(None,))
    data = bytearray(path.read_bytes())
    root, levels, children, key_bytes = data.index(b"TREE\x01"), 12, 64, 24

    def node(level, child):
        keys = [struct.pack("<IIQQ", 16, 0, 2 * i, 0) for i in range(children + 1)]
        entries = b"".join(k + struct.pack("<Q", child) for k in keys[:children]) + keys[children] if child else keys[0]
        return b"TREE\x01" + bytes([level]) + struct.pack("<HQQ", children if child else 0, 2**64 - 1, 2**64 - 1) + entries

    assert len(struct.pack("<IIQQ", 0, 0, 0, 0)) == key_bytes
    child = 0
    for level in range(levels):
        new = node(level, child)
        child = len(data)
        data += new
    whole = node(levels, child)
    data[root : root + len(whole)] = whole
    path.write_bytes(data)
    ds = xr.open_dataset(path, engine="craton", chunks={})
    with pytest.raises(craton.FormatError, match="a node without children"):
        ds.v.compute()


def test_chunks_without_number(tmp_path):
    """Python lists the chunks of an axis; 2**32 of one element are 32 GiB, of a file of some hundred bytes."""
    path = tmp_path / "d.zarr"
    (path / "v").mkdir(parents=True)
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    (path / "v/.zarray").write_text(json.dumps({"zarr_format": 2, "shape": [2**32], "chunks": [1], "dtype": "|u1", "fill_value": 7, "order": "C",
                                                "compressor": None, "filters": None}))  # fmt: skip
    (path / "v/.zattrs").write_text('{"_ARRAY_DIMENSIONS": ["x"]}')
    with pytest.raises(ValueError, match="an axis of 4294967296 elements in chunks of 1 would have more than 10,000,000 chunks"):
        xr.open_dataset(path, engine="craton", chunks={})
    ds = xr.open_dataset(path, engine="craton", chunks={"x": 10**7}, mask_and_scale=False)
    assert ds.v.isel(x=slice(2**31, 2**31 + 3)).values.tolist() == [7, 7, 7]
    assert xr.open_dataset(path, engine="craton", chunks=None, mask_and_scale=False).v[2**32 - 1] == 7


@pytest.mark.parametrize("n", [0, 1, 31, 33])
def test_a_chunk_without_codecs_of_another_length(tmp_path, n):
    """It was said to want for memory; and so it was no missing value where that was asked for."""
    path = tmp_path / "d.zarr"
    xr.Dataset({"v": ("x", np.arange(8.0))}).to_zarr(path, zarr_format=2, encoding={"v": {"chunks": (4,), "compressors": None}}, consolidated=False)
    chunk = path / "v/1"
    chunk.write_bytes((chunk.read_bytes() + b"x")[:n])
    with pytest.raises(craton.FormatError, match=f"v/1: it has {n} .*bytes; .*chunk.* has .*32"):
        xr.open_dataset(path, engine="craton", chunks={}).v.compute()
    with pytest.warns(craton.UnreadableWarning):
        found = xr.open_dataset(path, engine="craton", chunks={}, unreadable="missing").v.values
    np.testing.assert_array_equal(found, [0, 1, 2, 3] + 4 * [np.nan])
