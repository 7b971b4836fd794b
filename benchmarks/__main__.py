"""``python -m benchmarks``: every figure with its goal."""

from __future__ import annotations

import sys

from benchmarks import footprint, relaxation
from benchmarks.report import describe_environment


def main() -> None:
    """Run all benchmarks; a missed goal is said, and is no error: the machine may be busy."""
    sys.stdout.write(f"{describe_environment()}\n")
    for benchmark in (relaxation, footprint):
        for row in benchmark.run():
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
