"""The size of the built layer and functions, unzipped, with and without FFmpeg, which decodes audio."""

from collections.abc import Iterable
from pathlib import Path

from benchmarks.budgets import Row, compare
from benchmarks.start import short_name
from local import build

DECODER = ("av", "av.libs")
BOTO = ("boto3", "botocore", "s3transfer")
MAX_PACKAGE_MB = 250 * 1024**2 / 1e6
"""Lambda's limit for a function with its layers, in megabytes."""


def measure(_: int) -> list[Row]:
    functions = build.build_functions().values()
    layer = next(iter(functions)).layer
    folders = {"layer": layer} | {short_name(function): function.folder for function in functions}
    decoders = {
        name: total_megabytes(path for package in DECODER for path in folder.rglob(package))
        for name, folder in folders.items()
    }
    sizes = {name: total_megabytes([path]) - decoders[name] for name, path in folders.items()}
    decoder = decoders.pop("process")
    boto = total_megabytes(layer / "python" / package for package in BOTO)
    breakdown = ", ".join(f"{name} {size:.1f}" for name, size in sizes.items())
    return [
        compare("size.together", sum(sizes.values()), f"boto3 and botocore alone {boto:.1f} MB; {breakdown}"),
        compare("size.decoder", sum(size > 0 for size in decoders.values()), f"the decoder is {decoder:.1f} MB"),
        Row(
            "process with the layer",
            sizes["layer"] + sizes["process"] + decoder,
            "MB",
            f"Lambda's limit is {MAX_PACKAGE_MB:.0f}",
        ),
    ]


def total_megabytes(paths: Iterable[Path]) -> float:
    """Return the total size of all files in these folders."""
    return sum(file.stat().st_size for path in paths for file in path.rglob("*") if file.is_file()) / 1e6
