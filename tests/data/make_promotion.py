"""Writes promotion.h: what NumPy answers about types and conversions, for tests/unit/engine/test_kernel_types.c.

    python tests/data/make_promotion.py > tests/data/promotion.h

Needs NumPy 2 on x86-64 (conversions of out-of-range floats are the processor's)."""
import re
import sys
import warnings
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")
CODES = "?bhiqBHIQefd"                       # in the order of cr_dtype
ARGS = [np.dtype(c) for c in CODES] + [int, float]  # the last two: Python scalars
BACK = {np.dtype(c): c for c in CODES}
ROOT = Path(__file__).resolve().parents[2]


def operations():
    text = (ROOT / "include/craton/array.h").read_text()
    table = text[text.index("#define CR_MAP_TABLE"):text.index("typedef enum cr_map_op")]
    return [(i, n, int(a)) for i, n, a in re.findall(r'X\((\w+), "(\w+)", (\d)\)', table)]


def resolve(name, args):
    """Loop types and result as letters, or '-' where NumPy has no loop."""
    if name == "where":
        kind = np.result_type(*[a if isinstance(a, np.dtype) else a(1) for a in args[1:]])
        return "?" + BACK[kind] * 3
    if all(a is int for a in args) and len(args) > 1:
        args = [np.dtype("q")] * len(args)   # NumPy compares two Python ints as objects; here they are int64
    ufunc = np._core.umath.clip if name == "clip" else getattr(np, name)
    try:
        return "".join(BACK[np.dtype(t)] for t in ufunc.resolve_dtypes(tuple(args) + (None,)))
    except TypeError:
        return "-"


def combinations(arity):
    if arity == 1:
        return [(a,) for a in ARGS]
    if arity == 2:
        return [(a, b) for a in ARGS for b in ARGS]
    return [(a, b, c) for a in ARGS for b in ARGS for c in ARGS]


print("/* promotion.h - made by make_promotion.py with NumPy", np.__version__ + "; do not edit, run it again. */")
print("#include <stdint.h>\n")
print('/* numpy.promote_types, as letters of "%s". */' % CODES)
print("static const char promote_types[12][13] = {")
for a in ARGS[:12]:
    print('    "%s",' % "".join(BACK[np.promote_types(a, b)] for b in ARGS[:12]))
print("};\n")

print("/* Per operation: types of the loop and of the result for all combinations of 12 types, Python int, Python float;")
print(" * the last argument runs fastest. */")
for ident, name, arity in operations():
    print("static const char resolve_%s[] =" % ident)
    words = [resolve(name, c) for c in combinations(arity)]
    for i in range(0, len(words), 14):
        print('    "%s "' % " ".join(words[i:i + 14]))
    print("    ;")
print("static const struct { cr_map_op op; const char *words; } resolved[] = {")
for ident, _, _ in operations():
    print("    {CR_MAP_%s, resolve_%s}," % (ident, ident))
print("};\n")

values = [0.0, -0.0, 0.5, -0.5, 1.5, -1.5, 127.9, 128.0, -129.0, 255.0, 256.5, 32768.0, -32769.0, 65535.0, 65536.0, 70000.0, 2147483647.0,
          2147483648.0, -2147483648.0, -2147483649.0, 4294967295.0, 4294967296.0, 2.0**62, 2.0**63, 2.0**63 + 2.0**11, -2.0**63, -2.0**63 * 1.5,
          2.0**64, 1e19, 1e300, -1e300, np.inf, -np.inf, np.nan, 1e-8, 6e-8, 5.9e-8, 2.0**-25, 65519.9, 65520.0, 1e-40, 3.4028235677973366e38]
print("/* astype of float64 and float32 to every type, as the bits of the result; NaN as all ones. */")
print("static const double cast_values[] = {%s};" % ", ".join("INFINITY" if v == np.inf else "-INFINITY" if v == -np.inf else "NAN" if v != v else
                                                         float(v).hex() for v in values))


def bits(a):
    raw = a.view("u%d" % a.dtype.itemsize).astype("u8")
    return [0xFFFFFFFFFFFFFFFF if x != x else int(r) for x, r in zip(a, raw)]



def convert(a, t):
    """One by one: for values out of range NumPy's vector loops differ from the C casts of single items."""
    return np.concatenate([a[i:i + 1].astype(t) for i in range(len(a))])


for source in "fd":
    print("static const uint64_t cast_%s[12][%d] = {" % ("f32" if source == "f" else "f64", len(values)))
    for t in ARGS[:12]:
        print("    {%s}," % ", ".join("%#x" % b for b in bits(convert(np.array(values).astype(source), t))))
    print("};")
ints = [0, 1, -1, 127, 128, 255, 256, 32767, 40000, 65535, 65504, 65520, 2**24 + 1, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, -2**63, -129, 2049]
print("/* astype of int64 and, from the same bits, uint64 to every type. */")
print("static const int64_t cast_integers[] = {%s};" % ", ".join("INT64_MIN" if i == -2**63 else "%dll" % i for i in ints))
for source in "qQ":
    print("static const uint64_t cast_%s[12][%d] = {" % ("i64" if source == "q" else "u64", len(ints)))
    for t in ARGS[:12]:
        print("    {%s}," % ", ".join("%#x" % b for b in bits(convert(np.array(ints, "q").view(source), t))))
    print("};")
sys.stdout.flush()
