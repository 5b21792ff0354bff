"""What the layer and the functions weigh as they are built, unzipped; without FFmpeg, which decodes audio."""

from collections.abc import Iterable
from pathlib import Path

from benchmarks.budgets import Row, compare
from benchmarks.start import folder
from local import build

DECODER = ("av", "av.libs")
BOTO = ("boto3", "botocore", "s3transfer")
LAMBDA_ALLOWS = 250 * 1024**2 / 1e6
"""Megabytes of a function with its layers."""


def measure(_: int) -> list[Row]:
    functions = build.build().values()
    layer = next(iter(functions)).layer
    parts = {"layer": layer} | {folder(each): each.folder for each in functions}
    decoders = {
        name: megabytes(found for each in DECODER for found in path.rglob(each)) for name, path in parts.items()
    }
    sizes = {name: megabytes([path]) - decoders[name] for name, path in parts.items()}
    decoder = decoders.pop("process")
    boto = megabytes(layer / "python" / each for each in BOTO)
    made_of = ", ".join(f"{name} {size:.1f}" for name, size in sizes.items())
    return [
        compare("size.together", sum(sizes.values()), f"boto3 and botocore alone {boto:.1f} MB; {made_of}"),
        compare("size.decoder", sum(size > 0 for size in decoders.values()), f"the decoder has {decoder:.1f} MB"),
        Row(
            "process with the layer",
            sizes["layer"] + sizes["process"] + decoder,
            "MB",
            f"Lambda allows {LAMBDA_ALLOWS:.0f}",
        ),
    ]


def megabytes(paths: Iterable[Path]) -> float:
    """Of all files in these folders, by their own sizes."""
    return sum(file.stat().st_size for path in paths for file in path.rglob("*") if file.is_file()) / 1e6
