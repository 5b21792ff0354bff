"""`make rehearsal`: a deployment as far as it goes without an AWS account. It exits with 1 if anything was wrong."""

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
GIVEN = {"WhisperXUrl": "http://whisperx.test"}
"""Parameters."""


class Rehearsal:
    """Says what is done and found, and keeps what was wrong."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._began = time.monotonic()

    def step(self, title: str) -> None:
        self.say(f"\n== {title}  [{time.monotonic() - self._began:.0f} s]")

    def say(self, text: str) -> None:
        print(text, flush=True)

    def check(self, what: str, *, right: bool) -> None:
        self.say(f"  {'ok   ' if right else 'WRONG'} {what}")
        if not right:
            self.faults.append(what)


def main() -> int:
    # moto warns of every resource that it leaves out, several times; they are listed here once
    warnings.simplefilter("ignore")
    logging.getLogger("moto").setLevel(logging.ERROR)
    rehearsal = Rehearsal()
    rehearsal.step("make build")
    STAMP.unlink(missing_ok=True)
    try:
        build_functions()
    except LocalError as error:
        sys.exit(str(error))
    rehearsal.say(LOG.read_text(encoding="utf-8").strip())
    with serve_aws() as endpoint, tempfile.TemporaryDirectory() as folder:
        create(rehearsal, endpoint, package(rehearsal, endpoint, Path(folder)))
    invoked(rehearsal)
    rehearsal.step("Done")
    rehearsal.say("\n".join(["Wrong:", *rehearsal.faults]) if rehearsal.faults else "All was right.")
    return int(bool(rehearsal.faults))


def package(rehearsal: Rehearsal, endpoint: str, folder: Path) -> dict[str, Any]:
    """`sam package` into a bucket, and what lies there then; the template that it made."""
    rehearsal.step("sam package, into a bucket of moto's")
    aws_client("s3", endpoint).create_bucket(Bucket="artefacts")
    output = folder / "packaged.yaml"
    command = [str(SAM), "package", "--template-file", str(BUILD_DIR / "template.yaml"), "--s3-bucket", "artefacts"]
    nothing_of_the_users = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    environment = {**os.environ, **CREDENTIALS, **nothing_of_the_users, "AWS_ENDPOINT_URL": endpoint}
    done = subprocess.run(
        [*command, "--s3-prefix", "callscribe", "--region", REGION, "--output-template-file", str(output)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    rehearsal.check("sam package ends without an error", right=done.returncode == 0)
    if done.returncode:
        raise SystemExit(done.stderr)
    template: dict[str, Any] = yaml_parse(output.read_text(encoding="utf-8"))
    rehearsal.say("  package          unzipped   files  on top")
    for name, archive in packages(template, endpoint):
        files = archive.infolist()
        size = sum(each.file_size for each in files) / 1e6
        top = sorted({each.filename.partition("/")[0] for each in files if "/" in each.filename})
        folders = [folder for folder in top if not folder.endswith((".dist-info", "__pycache__"))]
        rehearsal.say(f"  {name:<16} {size:>5.1f} MB {len(files):>7}  {_list(folders)}")
        rehearsal.check("byte code of every module", right=not without_byte_code(archive))
    return template


def create(rehearsal: Rehearsal, endpoint: str, packaged: dict[str, Any]) -> None:
    """The template, as SAM transforms it, by moto's CloudFormation: all of it that moto knows."""
    rehearsal.step("The transformed template, created by moto's CloudFormation")
    template = transform(packaged, GIVEN)
    declared = _declared(template)
    known = {name for name, each in declared.items() if each["Type"] in get_model_map()}
    client = aws_client("cloudformation", endpoint)
    resources = {name: declared[name] for name in known}
    client.create_stack(
        StackName=STACK_NAME, TemplateBody=json.dumps({"Resources": resources}), Capabilities=["CAPABILITY_IAM"]
    )
    (described,) = client.describe_stacks(StackName=STACK_NAME)["Stacks"]
    rehearsal.check(f"the stack is {described['StackStatus']}", right=described["StackStatus"] == "CREATE_COMPLETE")
    pages = client.get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
    made = {each["LogicalResourceId"] for page in pages for each in page["StackResourceSummaries"]}
    rehearsal.say(f"  {len(declared)} resources are declared, {len(made)} of them were made:")
    _say_by_type(rehearsal, declared, made)
    rehearsal.say("  moto does not know these, and they were left out; AWS makes them:")
    _say_by_type(rehearsal, declared, declared.keys() - known)
    lost = sorted(known - made)
    rehearsal.check("everything that moto knows was made" + (f", but {_list(lost)}" if lost else ""), right=not lost)


def _declared(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The resources whose condition holds. Where they refer to what moto does not know, its name stands for it."""
    types = {name: each["Type"] for name, each in template["Resources"].items()}
    values = parameter_values(template, GIVEN) | pseudo_parameters(STACK_NAME, ACCOUNT)
    intrinsics = Intrinsics(template, values, lambda name, _: None if types[name] in get_model_map() else name)
    return {
        name: {"Type": kind, "Properties": properties}
        for kind in sorted(set(types.values()))
        for name, properties in resolve_resources(template, intrinsics, kind).items()
    }


def _say_by_type(rehearsal: Rehearsal, declared: dict[str, dict[str, Any]], names: Collection[str]) -> None:
    by_type = defaultdict(list)
    for name in sorted(names):
        by_type[declared[name]["Type"]].append(name)
    for kind, those in sorted(by_type.items()):
        rehearsal.say(f"    {kind:<32} {_list(those)}")


def invoked(rehearsal: Rehearsal) -> None:
    """Each built function, under AWS's Lambda emulator and, where there is Docker, in a container by sam local."""
    rehearsal.step("The built functions, from an upload to a transcript")
    tests = [str(Path(__file__).with_name(f"test_{each}.py")) for each in ("built_functions", "sam_local")]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rs", *tests], cwd=ROOT, check=False)
    rehearsal.check("they do what they are deployed for", right=done.returncode == 0)


def _list(names: Any) -> str:
    return ", ".join(names)


if __name__ == "__main__":
    if reason := emulator.unavailable_reason():
        sys.exit(f"No rehearsal: {reason}.")
    sys.exit(main())
