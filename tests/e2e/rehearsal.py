"""`make rehearsal`: a deployment, as far as possible without an AWS account. Exits with 1 if a check failed."""

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any

from moto.cloudformation.parsing import get_model_map
from samtranslator.yaml_helper import yaml_parse

from local import LocalError
from local.build import BUILD_DIR, LOG, ROOT, STAMP, build_functions
from local.cloud.aws import serve_aws
from local.cloud.client import CREDENTIALS, REGION, aws_client
from local.cloud.intrinsics import Intrinsics
from local.cloud.stack import pseudo_parameters
from local.cloud.template import parameter_values, resolve_resources, transform
from local.sam.containers import SAM
from local.sam.files import ACCOUNT
from testing import emulator
from tests.e2e.packages import packages, without_byte_code

STACK_NAME = "rehearsal"
PARAMETERS = {"WhisperXUrl": "http://whisperx.test"}


class Rehearsal:
    """Prints the steps and the results of the checks, and collects the failed ones."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self._started_at = time.monotonic()

    def step(self, title: str) -> None:
        self.print_line(f"\n== {title}  [{time.monotonic() - self._started_at:.0f} s]")

    def print_line(self, text: str) -> None:
        print(text, flush=True)

    def check(self, description: str, *, passed: bool) -> None:
        self.print_line(f"  {'ok    ' if passed else 'FAILED'} {description}")
        if not passed:
            self.failures.append(description)


def main() -> int:
    # moto warns of every resource that it ignores, several times; they are listed here once
    warnings.simplefilter("ignore")
    logging.getLogger("moto").setLevel(logging.ERROR)
    rehearsal = Rehearsal()
    rehearsal.step("make build")
    STAMP.unlink(missing_ok=True)
    try:
        build_functions()
    except LocalError as error:
        sys.exit(str(error))
    rehearsal.print_line(LOG.read_text(encoding="utf-8").strip())
    with serve_aws() as endpoint, tempfile.TemporaryDirectory() as folder:
        create_stack(rehearsal, endpoint, package(rehearsal, endpoint, Path(folder)))
    invoke_functions(rehearsal)
    rehearsal.step("Done")
    failures = rehearsal.failures
    rehearsal.print_line("\n".join(["Failed:", *failures]) if failures else "All checks passed.")
    return int(bool(failures))


def package(rehearsal: Rehearsal, endpoint: str, folder: Path) -> dict[str, Any]:
    """Run `sam package` into a bucket, check the packages, and return the packaged template."""
    rehearsal.step("sam package, into a bucket of moto")
    aws_client("s3", endpoint).create_bucket(Bucket="artefacts")
    output = folder / "packaged.yaml"
    command = [str(SAM), "package", "--template-file", str(BUILD_DIR / "template.yaml"), "--s3-bucket", "artefacts"]
    isolated = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    environment = {**os.environ, **CREDENTIALS, **isolated, "AWS_ENDPOINT_URL": endpoint}
    process = subprocess.run(
        [*command, "--s3-prefix", "callscribe", "--region", REGION, "--output-template-file", str(output)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    rehearsal.check("sam package succeeds", passed=process.returncode == 0)
    if process.returncode:
        raise SystemExit(process.stderr)
    template: dict[str, Any] = yaml_parse(output.read_text(encoding="utf-8"))
    rehearsal.print_line("  package          unzipped   files  top folders")
    for name, archive in packages(template, endpoint):
        files = archive.infolist()
        size = sum(file.file_size for file in files) / 1e6
        top_folders = sorted({file.filename.partition("/")[0] for file in files if "/" in file.filename})
        shown = [folder for folder in top_folders if not folder.endswith((".dist-info", "__pycache__"))]
        rehearsal.print_line(f"  {name:<16} {size:>5.1f} MB {len(files):>7}  {', '.join(shown)}")
        rehearsal.check("every source file has byte code", passed=not without_byte_code(archive))
    return template


def create_stack(rehearsal: Rehearsal, endpoint: str, packaged: dict[str, Any]) -> None:
    """Create the resources of the transformed template that moto supports, with its CloudFormation."""
    rehearsal.step("The transformed template, created by moto's CloudFormation")
    template = transform(packaged, PARAMETERS)
    declared = _declared_resources(template)
    supported = {name for name, resource in declared.items() if resource["Type"] in get_model_map()}
    client = aws_client("cloudformation", endpoint)
    resources = {name: declared[name] for name in supported}
    client.create_stack(
        StackName=STACK_NAME, TemplateBody=json.dumps({"Resources": resources}), Capabilities=["CAPABILITY_IAM"]
    )
    (stack,) = client.describe_stacks(StackName=STACK_NAME)["Stacks"]
    rehearsal.check(f"the stack is {stack['StackStatus']}", passed=stack["StackStatus"] == "CREATE_COMPLETE")
    pages = client.get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
    created = {resource["LogicalResourceId"] for page in pages for resource in page["StackResourceSummaries"]}
    rehearsal.print_line(f"  {len(declared)} resources are declared, {len(created)} of them were created:")
    _print_by_type(rehearsal, declared, created)
    rehearsal.print_line("  moto does not support these, so only AWS creates them:")
    _print_by_type(rehearsal, declared, declared.keys() - supported)
    missing = sorted(supported - created)
    description = "every supported resource was created" + (f", except {', '.join(missing)}" if missing else "")
    rehearsal.check(description, passed=not missing)


def _declared_resources(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the resources that the conditions include. References to unsupported ones are replaced by their names."""
    types = {name: resource["Type"] for name, resource in template["Resources"].items()}
    values = parameter_values(template, PARAMETERS) | pseudo_parameters(STACK_NAME, ACCOUNT)
    intrinsics = Intrinsics(template, values, lambda name, _: None if types[name] in get_model_map() else name)
    return {
        name: {"Type": kind, "Properties": properties}
        for kind in sorted(set(types.values()))
        for name, properties in resolve_resources(template, intrinsics, kind).items()
    }


def _print_by_type(rehearsal: Rehearsal, declared: dict[str, dict[str, Any]], names: Collection[str]) -> None:
    by_type = defaultdict(list)
    for name in sorted(names):
        by_type[declared[name]["Type"]].append(name)
    for resource_type, type_names in sorted(by_type.items()):
        rehearsal.print_line(f"    {resource_type:<32} {', '.join(type_names)}")


def invoke_functions(rehearsal: Rehearsal) -> None:
    """Test the built functions under AWS's Lambda emulator and, if there is Docker, in containers with sam local."""
    rehearsal.step("The built functions, from an upload to a transcript")
    tests = [str(Path(__file__).with_name(f"test_{name}.py")) for name in ("built_functions", "sam_local")]
    process = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rs", *tests], cwd=ROOT, check=False)
    rehearsal.check("the tests of the built functions pass", passed=process.returncode == 0)


if __name__ == "__main__":
    if reason := emulator.unavailable_reason():
        sys.exit(f"The rehearsal cannot run: {reason}.")
    sys.exit(main())
