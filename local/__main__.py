"""The command line: `python -m local up`, `… invoke`, `… sam`, `… names`."""

import argparse
import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

# An AWS set-up of one's own has no business here: a profile of it would even stop moto.
for name in [name for name in os.environ if name.startswith(("AWS_", "MOTO_"))]:
    del os.environ[name]

try:
    import requests
    from botocore.exceptions import BotoCoreError, ClientError

    from callscribe.errors import ConfigurationError
    from callscribe.phone_systems import SYSTEMS
    from callscribe.phone_systems.custom_patterns import CustomPattern
    from callscribe.recordings.run import RunStatus
    from callscribe.settings.environment import http_url, query_string
    from callscribe.settings.whisperx import DIALECTS
    from callscribe.transcripts.stereo import CHANNEL_MODES
    from local import LocalError, sample_calls
    from local.cloud.template import ParameterError
    from local.invoke import invoke
    from local.names import print_names
    from local.options import PARAMETERS
    from local.sam.command import run_sam
    from local.up import Options, up
except ModuleNotFoundError as error:
    sys.exit(f"{error}. Run 'make setup' once, then '.venv/bin/python -m local'.")
except KeyboardInterrupt:
    sys.exit(130)


PORTS = 1 << 16
SAM_PORT = 3000
"""SAM CLI's own choice."""

TASKS = ("sync", "queue", "process")

REPORTED_ERRORS = (
    *(LocalError, ConfigurationError, ValueError, OSError),
    *(requests.RequestException, ClientError, BotoCoreError),
)
"""What is reported in one line."""


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; its exit status: 0 all went well, 1 not all recordings are completed, 2 it could not begin."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may hold what the terminal cannot show
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.default_int_handler)  # ends in order, as Ctrl-C does
    parser = _build_parser()
    args = parser.parse_args(arguments)
    try:
        return int(args.run(args))
    except ParameterError as error:
        print(f"{parser.prog}: {PARAMETERS.get(error.parameter, error.parameter)} {error.reason}", file=sys.stderr)
        return 2
    except REPORTED_ERRORS as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description="Callscribe on your own machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up_command = commands.add_parser("up", help="the whole stack, from template.yaml", description=up.__doc__)
    source_group = up_command.add_mutually_exclusive_group(required=True)
    source_group.add_argument("--samples", action="store_true", help="transcribe the sample recordings")
    source_group.add_argument(
        "--recordings", metavar="PATH", help="a folder, or s3://BUCKET/PREFIX (with --aws-endpoint)"
    )
    up_command.add_argument("--broken", action="store_true", help="with --samples: one that cannot be decoded, too")
    up_command.add_argument("--whisperx", metavar="URL", help="your own server, instead of the built-in recogniser")
    up_command.add_argument("--dialect", choices=DIALECTS, default="asr", help="what it speaks (asr)")
    up_command.add_argument("--api-key", metavar="KEY", default="", help="the key of that server, if it wants one")
    up_command.add_argument("--language", metavar="CODE", default="", help="of the calls: en, de, … (it is detected)")
    up_command.add_argument("--model", metavar="NAME", default="", help="that the server is to use (its own choice)")
    up_command.add_argument("--options", metavar="QUERY", default="", help="sent besides: device=cpu&compute_type=int8")
    up_command.add_argument("--channels", choices=CHANNEL_MODES, help="who speaks where in stereo calls (auto)")
    up_command.add_argument("--phone-system", metavar="NAME", default="", help="what recorded the calls: yeastar, …")
    up_command.add_argument("--port", type=_parse_port, default=0, help="of the HTTP API (any free one)")
    up_command.add_argument("--once", action="store_true", help="end when all is done: 0 if all is completed")
    up_command.add_argument("--json", type=Path, metavar="FILE", help="write every recording there at the end")
    up_command.add_argument("--aws-endpoint", metavar="URL", help="an AWS-compatible server, instead of moto's")
    up_command.set_defaults(run=lambda args: up(_parse_options(args)))
    names_command = commands.add_parser("names", help="what is read out of the names of recordings")
    names_command.add_argument("paths", nargs="+", metavar="PATH", help="a file, a folder, or a mere name")
    names_command.add_argument("--phone-system", choices=SYSTEMS, metavar="NAME", default="", help=", ".join(SYSTEMS))
    names_command.add_argument(
        "--pattern", action="append", default=[], metavar="REGEX", help="the site's own, with named groups (repeatable)"
    )
    names_command.set_defaults(run=_run_names)
    invoke_command = commands.add_parser("invoke", help="fire one function of the stack that is up")
    invoke_command.add_argument("task", choices=TASKS)
    invoke_command.add_argument("--event", type=Path, metavar="FILE", help="a JSON event (the scheduled one)")
    invoke_command.set_defaults(run=lambda args: _run_invoke(args.task, args.event))
    sam_command = commands.add_parser("sam", help="the built functions in containers, with SAM CLI and Docker")
    sam_command.add_argument(
        "--port", type=_parse_port, default=SAM_PORT, help=f"of the HTTP API ({SAM_PORT}; 0: any free one)"
    )
    sam_command.set_defaults(run=lambda args: run_sam(args.port))
    return parser


def _parse_port(text: str) -> int:
    if not (text.isdecimal() and int(text) < PORTS):
        raise argparse.ArgumentTypeError(f"must be a number below {PORTS}")
    return int(text)


def _parse_options(args: argparse.Namespace) -> Options:
    """Raises LocalError for what cannot be meant."""
    values = {f"--{name.replace('_', '-')}": value for name, value in vars(args).items()}
    for option, find_error in (("--whisperx", http_url), ("--aws-endpoint", http_url), ("--options", query_string)):
        if values[option] and (reason := find_error(values[option])):
            raise LocalError(f"{option} {reason}")
    if args.json:
        _check_json(args.json.absolute())
    parameters = {name: values[option] for name, option in PARAMETERS.items() if values[option]}
    return Options(
        recordings=_resolve_recordings(args.recordings, args.aws_endpoint) if args.recordings is not None else None,
        broken=args.broken,
        parameters=sample_calls.PARAMETERS | parameters if args.samples else parameters,
        port=args.port,
        once=args.once,
        json=args.json,
        aws_endpoint=args.aws_endpoint,
    )


def _check_json(path: Path) -> None:
    """Before hours of work, not after them."""
    if not path.parent.is_dir():
        raise LocalError(f"--json {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise LocalError(f"--json {path}: this is a folder. Name a file.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise LocalError(f"--json {path}: cannot be written.")


def _resolve_recordings(path: str, aws_endpoint: str | None) -> str:
    if path.startswith("s3://"):
        if not aws_endpoint:
            raise LocalError(
                "--recordings s3://… needs --aws-endpoint: the built-in moto starts without any bucket of yours."
            )
        return path
    try:
        folder = Path(path).expanduser().resolve()
        str(folder).encode()
    except (RuntimeError, UnicodeEncodeError) as error:
        raise LocalError(f"--recordings {path!a}: {error}") from error
    if not folder.is_dir():
        reason = "this is a file. Name its folder." if folder.exists() else "there is no such folder."
        raise LocalError(f"--recordings {path}: {reason}")
    return str(folder)


def _run_names(args: argparse.Namespace) -> int:
    return print_names(args.paths, args.phone_system, [CustomPattern.parse(text) for text in args.pattern])


def _run_invoke(task: str, event_file: Path | None) -> int:
    try:
        event: Any = json.loads(event_file.read_text(encoding="utf-8")) if event_file else None
    except (OSError, ValueError, RecursionError) as error:
        raise LocalError(f"--event {event_file} cannot be read: {error}") from error
    run = invoke(task, event)
    print(json.dumps(run, indent=2))
    return int(run["status"] == RunStatus.FAILED)


if __name__ == "__main__":
    sys.exit(main())
