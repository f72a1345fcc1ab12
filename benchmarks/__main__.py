"""All benchmarks of docs/benchmarks.md: run `python -m benchmarks --write` on an idle machine."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import psutil

from benchmarks import report

PARTS = ("tokens", "starts", "layers", "speed", "streams", "memory", "growth", "aggregates", "load")


def machine() -> str:
    """Describe the machine and its load before the run."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{len(models)} cores ({models[0] if models else platform.machine()}), {memory:.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}; "
        f"load before the run: {os.getloadavg()[0]:.2f}."
    )


@click.command()
@click.option(
    "--only", "parts", multiple=True, type=click.Choice(PARTS), default=PARTS, help="Part to measure; can be repeated."
)
@report.write_option
def main(*, parts: Sequence[str], write: bool) -> None:
    """Measure all figures of docs/benchmarks.md."""
    report.publish("machine", machine(), write=write)
    for part in parts:
        report.progress(f"== {part}")
        options = ["--write"] if write else []
        subprocess.run([sys.executable, "-m", f"benchmarks.{part}", *options], check=True)  # noqa: S603 - ours


if __name__ == "__main__":
    main()
