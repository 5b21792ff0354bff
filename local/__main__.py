"""The command line: `python -m local up`, `… invoke`, `… sam`, `… names`."""

import argparse
import errno
import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

# The user's own AWS configuration must not be used: a profile would even make moto fail.
for name in [name for name in os.environ if name.startswith(("AWS_", "MOTO_"))]:
    del os.environ[name]

try:
    import requests
    from botocore.exceptions import BotoCoreError, ClientError

    from callscribe.errors import ConfigurationError
    from callscribe.phone_systems import SYSTEMS
    from callscribe.phone_systems.custom_patterns import CustomPattern
    from callscribe.recordings.run import RunStatus
    from callscribe.settings.call_recordings import normalise_extensions
    from callscribe.settings.environment import http_url
    from callscribe.settings.whisperx import DIALECTS
    from callscribe.sources.file_types import AUDIO_EXTENSIONS
    from callscribe.transcripts.stereo import CHANNEL_MODES
    from local import LocalError, sample_calls
    from local.cloud.template import ParameterError
    from local.invoke import invoke
    from local.names import print_names
    from local.options import (
        PARAMETERS,
        check_parameters,
        effect_remarks,
        merge_settings,
        parse_headers,
        parse_settings,
        read_ca_certificates,
    )
    from local.recogniser import ENGINES
    from local.sam.command import run_sam
    from local.up import Options, up
except ModuleNotFoundError as error:
    sys.exit(f"{error}. Run 'make setup' once, then '.venv/bin/python -m local'.")
except KeyboardInterrupt:
    sys.exit(130)


PORTS = 1 << 16
SAM_PORT = 3000
"""The default of SAM CLI."""

TASKS = ("sync", "queue", "process")

REPORTED_ERRORS = (
    *(LocalError, ConfigurationError, ValueError, OSError),
    *(requests.RequestException, ClientError, BotoCoreError),
)
"""Errors that are printed as one line, without a traceback."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status: 0 success, 1 not all recordings completed, 2 it could not start.

    130 after Ctrl-C.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for file names that the terminal cannot show
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.default_int_handler)  # shut down cleanly, as for Ctrl-C
    parser = _build_parser()
    args = parser.parse_args(arguments)
    try:
        return int(args.run(args))
    except ParameterError as error:
        is_set = any(text.startswith(f"{error.parameter}=") for text in getattr(args, "set", ()))
        option = f"--set {error.parameter}" if is_set else PARAMETERS.get(error.parameter, error.parameter)
        print(f"{parser.prog}: {option} {error.reason}", file=sys.stderr)
        return 2
    except REPORTED_ERRORS as error:
        print(f"{parser.prog}: {_describe_error(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _describe_error(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        place = f" at {error.filename}" if error.filename else ""
        return f"the disk is full{place}. Free some space, then start again. Logs are in .callscribe/logs."
    return str(error)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description="Callscribe on your own machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up_command = commands.add_parser("up", help="run the whole stack, from template.yaml")
    source_group = up_command.add_mutually_exclusive_group(required=True)
    source_group.add_argument("--samples", action="store_true", help="transcribe the sample recordings")
    source_group.add_argument(
        "--recordings", metavar="PATH", help="transcribe a folder, or s3://BUCKET/PREFIX (with --aws-endpoint)"
    )
    up_command.add_argument("--broken", action="store_true", help="with --samples: add one that cannot be decoded")
    up_command.add_argument("--whisperx", metavar="URL", help="use your own server instead of the built-in recogniser")
    up_command.add_argument(
        "--recogniser",
        choices=ENGINES,
        help="engine of the built-in recogniser (default: pocketsphinx, which needs no network)",
    )
    up_command.add_argument(
        "--model-dir", type=Path, metavar="DIR", help="with --recogniser whisper: a folder with a model"
    )
    up_command.add_argument("--dialect", choices=DIALECTS, help="dialect of the server (default: asr)")
    up_command.add_argument("--api-key", metavar="KEY", default="", help="API key of the server, if it needs one")
    up_command.add_argument(
        "--ca", type=Path, metavar="FILE", help="certificate of a private authority that signs the server's (PEM)"
    )
    up_command.add_argument(
        "--header", action="append", default=[], metavar="NAME=VALUE", help="header for the server (repeatable)"
    )
    up_command.add_argument("--language", metavar="CODE", default="", help="language: en, de, … (default: detect it)")
    up_command.add_argument("--model", metavar="NAME", default="", help="model (default: the server's)")
    up_command.add_argument("--options", metavar="QUERY", default="", help="more options: device=cpu&compute_type=int8")
    up_command.add_argument(
        "--channels", choices=[*map(str, CHANNEL_MODES)], help="speakers of stereo calls (default: auto)"
    )
    up_command.add_argument("--phone-system", metavar="NAME", default="", help="what recorded the calls: yeastar, …")
    _add_set_option(up_command)
    up_command.add_argument("--port", type=_parse_port, default=0, help="port of the HTTP API (default: any free port)")
    up_command.add_argument("--once", action="store_true", help="exit when done, with 0 if all recordings completed")
    up_command.add_argument("--json", type=Path, metavar="FILE", help="write all recordings to this file at the end")
    up_command.add_argument("--aws-endpoint", metavar="URL", help="use an AWS-compatible server instead of moto")
    up_command.set_defaults(run=lambda args: up(_parse_options(args)))
    names_command = commands.add_parser("names", help="print the metadata that is read from names of recordings")
    names_command.add_argument("paths", nargs="+", metavar="PATH", help="a file, a folder, or only a name")
    names_command.add_argument("--phone-system", choices=SYSTEMS, metavar="NAME", default="", help=", ".join(SYSTEMS))
    names_command.add_argument(
        "--pattern", action="append", default=[], metavar="REGEX", help="custom pattern with named groups (repeatable)"
    )
    names_command.add_argument(
        "--audio-extensions",
        metavar="EXTENSIONS",
        default="",
        help='as the setting: "wav none" (default: the usual ones)',
    )
    names_command.set_defaults(run=_run_names)
    invoke_command = commands.add_parser("invoke", help="invoke one function of the running stack")
    invoke_command.add_argument("task", choices=TASKS)
    invoke_command.add_argument("--event", type=Path, metavar="FILE", help="a JSON event (default: the scheduled one)")
    invoke_command.set_defaults(run=lambda args: _run_invoke(args.task, args.event))
    sam_command = commands.add_parser("sam", help="run the built functions in containers, with SAM CLI and Docker")
    sam_command.add_argument(
        "--port", type=_parse_port, default=SAM_PORT, help=f"port of the HTTP API (default: {SAM_PORT}; 0: any free)"
    )
    _add_set_option(sam_command)
    sam_command.set_defaults(run=_run_sam)
    return parser


def _add_set_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE",
        help="set any parameter of template.yaml, as for a deployment (repeatable)",
    )  # fmt: skip


def _parse_port(text: str) -> int:
    if not (text.isdecimal() and int(text) < PORTS):
        raise argparse.ArgumentTypeError(f"must be a number below {PORTS}")
    return int(text)


def _parse_options(args: argparse.Namespace) -> Options:
    """Convert the arguments to options. Raises: LocalError, when one is invalid."""
    values = {f"--{name.replace('_', '-')}": value for name, value in vars(args).items()}
    if args.aws_endpoint and (reason := http_url(args.aws_endpoint)):
        raise LocalError(f"--aws-endpoint {reason}")
    if args.model_dir and args.recogniser != "whisper":
        raise LocalError("--model-dir needs --recogniser whisper.")
    if args.broken and not args.samples:
        raise LocalError("--broken needs --samples.")
    if args.json:
        _check_json(args.json.absolute())
    settings = parse_settings(args.set)
    parameters = merge_settings(
        {name: values[option] for name, option in PARAMETERS.items() if values[option]}, settings
    )
    check_parameters(parameters)
    if "WhisperXUrl" in parameters and (args.recogniser or args.model_dir):
        raise LocalError(
            "--recogniser and --model-dir are for the built-in recogniser: leave them out when you use your own server."
        )
    return Options(
        recordings=_resolve_recordings(args.recordings, args.aws_endpoint) if args.recordings is not None else None,
        broken=args.broken,
        parameters=sample_calls.PARAMETERS | parameters if args.samples else parameters,
        headers=parse_headers(args.header, args.api_key),
        recogniser=args.recogniser or ENGINES[0],
        model_dir=args.model_dir and args.model_dir.expanduser().absolute(),
        remarks=effect_remarks(settings),
        ca_certificates=read_ca_certificates(args.ca) if args.ca else "",
        port=args.port,
        once=args.once,
        json=args.json,
        aws_endpoint=args.aws_endpoint,
    )


def _check_json(path: Path) -> None:
    """Check that the file can be written: before hours of work, not after them. Raises: LocalError, when it cannot."""
    if not path.parent.is_dir():
        raise LocalError(f"--json {path}: the folder {path.parent} does not exist.")
    if path.is_dir():
        raise LocalError(f"--json {path}: this is a folder. Name a file.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise LocalError(f"--json {path}: the file cannot be written.")


def _resolve_recordings(path: str, aws_endpoint: str | None) -> str:
    if path.startswith("s3://"):
        if not aws_endpoint:
            raise LocalError("--recordings s3://… needs --aws-endpoint: the built-in AWS starts without your buckets.")
        return path
    try:
        folder = Path(path).expanduser().resolve()
        str(folder).encode()
    except (RuntimeError, UnicodeEncodeError) as error:
        raise LocalError(f"--recordings {path!a}: {error}") from error
    if not folder.is_dir():
        reason = "this is a file. Name its folder." if folder.exists() else "this folder does not exist."
        raise LocalError(f"--recordings {path}: {reason}")
    return str(folder)


def _run_names(args: argparse.Namespace) -> int:
    extensions = frozenset(normalise_extensions(args.audio_extensions.split())) or AUDIO_EXTENSIONS
    patterns = [CustomPattern.parse(text) for text in args.pattern]
    return print_names(args.paths, args.phone_system, patterns, extensions)


def _run_sam(args: argparse.Namespace) -> int:
    settings = parse_settings(args.set)
    check_parameters(settings)
    return run_sam(args.port, settings)


def _run_invoke(task: str, event_file: Path | None) -> int:
    try:
        event: Any = json.loads(event_file.read_text(encoding="utf-8")) if event_file else None
    except (OSError, ValueError, RecursionError) as error:
        raise LocalError(f"--event {event_file}: cannot read it: {error}") from error
    run = invoke(task, event)
    print(json.dumps(run, indent=2))
    return int(run["status"] == RunStatus.FAILED)


if __name__ == "__main__":
    sys.exit(main())
