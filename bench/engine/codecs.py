#!/usr/bin/env python3
"""What codecs of Zarr make of real fields: size, and CPU seconds to write and to read, on one thread. For docs/decisions/0039.

    bench/engine/codecs.py FILE.nc [FILE.nc ...]      every variable of numbers of 64 KiB or more, as it is stored

Chunks are cut as Craton's default cuts them: about 1 MiB, the longest axis first. Sizes are shares of the values; speeds are MiB of values a second. Blosc's
blocks are as large as it chooses, but for the last rows, which are blosc zstd 1 shuffle. The libraries are those of numcodecs, which zarr-python writes with.
"""
import sys
import time

import netCDF4
import numpy as np
from numcodecs import GZip, Blosc, Zstd, blosc

BITS, BYTES = Blosc.BITSHUFFLE, Blosc.SHUFFLE
CODECS = {
    "zstd 1": Zstd(1),
    "zstd 3 (zarr-python 3)": Zstd(3),
    "gzip 1": GZip(1),
    **{f"blosc {name} {level} {text}": Blosc(name, level, how) for name, level in (("lz4", 5), ("zstd", 1), ("zstd", 3), ("zstd", 5), ("zlib", 1))
       for how, text in ((BYTES, "shuffle"), (BITS, "bitshuffle"))},
    **{f"the same, blocks of {kib} KiB": Blosc("zstd", 1, BYTES, kib << 10) for kib in (64, 128, 256, 512)},
}
CHUNK_BYTES, LEAST_BYTES, MOST_BYTES = 1 << 20, 64 << 10, 64 << 20


def chunks_of(values):
    size = list(values.shape)
    while np.prod(size) * values.itemsize > CHUNK_BYTES:
        axis = int(np.argmax(size))
        size[axis] = -(-size[axis] // 2)
    for at in np.ndindex(*(-(-n // c) for n, c in zip(values.shape, size))):
        yield np.ascontiguousarray(values[tuple(slice(i * c, (i + 1) * c) for i, c in zip(at, size))])


def measured(codec, chunks):
    best_in = best_out = float("inf")
    for _ in range(3):
        begin = time.process_time()
        packed = [codec.encode(c) for c in chunks]
        middle = time.process_time()
        again = [codec.decode(p) for p in packed]
        best_in, best_out = min(best_in, middle - begin), min(best_out, time.process_time() - middle)
    assert all(bytes(a) == c.tobytes() for a, c in zip(again, chunks))
    return sum(len(p) for p in packed), best_in, best_out


def main():
    blosc.set_nthreads(1)
    total = {}
    for path in sys.argv[1:]:
        with netCDF4.Dataset(path) as f:
            f.set_auto_maskandscale(False)
            for name, v in f.variables.items():
                if np.dtype(v.dtype).kind not in "iuf" or v.size * v.dtype.itemsize < LEAST_BYTES or v.size * v.dtype.itemsize > MOST_BYTES:
                    continue
                chunks = list(chunks_of(np.asarray(v[...])))
                size = sum(c.nbytes for c in chunks)
                print(f"{path.rpartition('/')[2]}: {name} {v.dtype} {v.shape}", flush=True)
                for codec in CODECS:
                    packed, write, read = measured(CODECS[codec], chunks)
                    print(f"  {codec:26} {packed / size:6.3f}   {size / write / 2**20:6.0f} {size / read / 2**20:6.0f} MiB/s")
                    total.setdefault(codec, []).append((packed / size, write / size * 2**20, read / size * 2**20))
    print("all, each variable counted once: geometric mean of sizes, mean speeds")
    for codec, rows in total.items():
        share, write, read = np.array(rows).T
        print(f"  {codec:26} {np.exp(np.log(share).mean()):6.3f}   {1 / write.mean():6.0f} {1 / read.mean():6.0f} MiB/s")


if __name__ == "__main__":
    sys.exit(main())
