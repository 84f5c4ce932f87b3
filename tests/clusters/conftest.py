"""What is computed, and helpers, are those of tests/oracle/test_cluster.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "oracle"))
