"""The client of tests/wire, and servers that are simulated."""
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("wire", "simulated")]
