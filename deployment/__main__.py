"""The commands `build`, `deploy` and `outputs`. The Makefile runs them."""

import argparse
import os
import sys
from pathlib import Path

import click

from deployment import DeploymentError
from deployment.build import DEFAULT_BUILD_DIR, build
from deployment.deploy import deploy, print_outputs
from deployment.stage import KEY_VARIABLE, Arguments, load_stage


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. Options that it does not know are those of `sam deploy`."""
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--stage", "--config-env", default="default", help="the section of samconfig.toml")
    common.add_argument("--config-file", type=Path, default=Path("samconfig.toml"))
    common.add_argument("--stack-name")
    common.add_argument("--region")
    common.add_argument("--profile")
    common.add_argument("--parameter-overrides", nargs="+", action="extend", default=[], metavar="NAME=VALUE")
    common.add_argument("--architecture", help="x86_64 or arm64; empty for that of the stage")
    root = argparse.ArgumentParser(prog="python -m deployment", description=__doc__, allow_abbrev=False)
    commands = root.add_subparsers(dest="command", required=True)
    for name in ("build", "deploy", "outputs"):
        command = commands.add_parser(name, parents=[common], allow_abbrev=False)
        if name == "build":
            command.add_argument("--build-dir", type=Path, default=DEFAULT_BUILD_DIR)
        if name == "deploy":
            command.add_argument("-g", "--guided", action="store_true")
    return root


def main() -> int:
    """Run a command and return its exit status."""
    arguments, options = parser().parse_known_args()
    if options and arguments.command != "deploy":
        parser().error(f"unknown arguments: {' '.join(options)}")
    try:
        if arguments.command == "build" and arguments.architecture:
            return build(arguments.build_dir, arguments.architecture)
        stage = load_stage(
            arguments.stage,
            arguments.config_file,
            Arguments(
                arguments.stack_name,
                arguments.region,
                arguments.profile,
                arguments.parameter_overrides,
                os.environ.get(KEY_VARIABLE),
            ),
        )
        if arguments.command == "build":
            return build(arguments.build_dir, stage.parameters.get("Architecture"))
        if arguments.command == "outputs":
            print_outputs(stage)
            return 0
        return deploy(
            stage,
            guided=arguments.guided,
            architecture=arguments.architecture,
            interactive=sys.stdin.isatty(),
            options=options,
        )
    except DeploymentError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except click.Abort:
        print("\nStopped.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
