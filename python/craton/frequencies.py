"""Frequencies as they were spelled until pandas 2.2, and as notebooks of those years have them: resample(time="M"), "AS", "1H".

pandas 3 refuses them and names the new spelling; after craton.enable() xarray's resample understands them and says the new one, once.
"""

import functools
import re
import warnings

_NEW = {
    "M": "ME", "BM": "BME", "CBM": "CBME", "SM": "SME", "Q": "QE", "BQ": "BQE", "A": "YE", "Y": "YE", "BA": "BYE", "BY": "BYE", "AS": "YS", "BAS": "BYS",
    "H": "h", "BH": "bh", "T": "min", "S": "s", "L": "ms", "U": "us", "N": "ns",
}  # fmt: skip


def newer(text):
    """ "2M": "2ME"; "A-JUN": "YE-JUN"; "1H30T": "1h30min". What is no old spelling stays."""
    return re.sub(r"(?<![A-Za-z-])[A-Za-z]+", lambda m: _NEW.get(m[0], m[0]), text)


def understand_old_frequencies():
    try:
        from xarray.groupers import TimeResampler
    except ImportError:
        return
    begin = TimeResampler.__init__
    if hasattr(begin, "_of_craton"):
        return

    @functools.wraps(begin)
    def __init__(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        if isinstance(self.freq, str) and (new := newer(self.freq)) != self.freq:
            warnings.warn(f"craton: the frequency {self.freq!r} is spelled {new!r} since pandas 2.2, and is understood as that", FutureWarning, stacklevel=5)
            self.freq = new

    __init__._of_craton = True
    TimeResampler.__init__ = __init__
