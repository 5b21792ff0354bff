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
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from moto.cloudformation.parsing import get_model_map
from samtranslator.yaml_helper import yaml_parse

from local.build import BUILD, LOG, STAMP, BuildError, Built, build
from local.cloud.aws import serve_aws
from local.cloud.client import CREDENTIALS, REGION, aws_client
from local.cloud.intrinsics import Intrinsics
from local.cloud.secrets import api_key
from local.cloud.stack import Stack, deploy, pseudo_parameters
from local.cloud.template import parameter_values, resources_of, transformed
from local.events import ACCOUNT, examples
from local.lambdas.pool import lambda_environment
from local.recogniser.started import recogniser
from local.sam.containers import SAM, why_not
from local.sample_calls import put_samples
from testing import emulator
from tests.e2e.packages import Package, packages
from tests.e2e.sam_local import sam_local

LAYER = "SharedLayer"
STACK_NAME = "rehearsal"
GIVEN = {"WhisperXUrl": "http://whisperx.test"}
"""Parameters."""
LAMBDA_ALLOWS = 250 * 1024**2
"""Bytes, unzipped, of a function with its layers."""
EVENTS = (
    ("SyncFunction", "upload"),
    ("QueueFunction", "schedule"),
    ("ProcessFunction", "schedule"),
    ("ApiFunction", "api-list"),
    ("ApiFunction", "api-list-without-key"),
)
"""Which function is given which of the examples, in this order."""
COUNTED = {"SyncFunction": "added", "QueueFunction": "queued", "ProcessFunction": "completed"}
"""What the run of a task has to count one of, for one recording was uploaded."""


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
        built = build()
    except BuildError as error:
        sys.exit(str(error))
    rehearsal.say(LOG.read_text(encoding="utf-8").strip())
    with serve_aws() as endpoint, tempfile.TemporaryDirectory() as folder:
        packaged = package(rehearsal, endpoint, Path(folder))
        create(rehearsal, endpoint, packaged)
        with emulated(rehearsal, endpoint, built, Path(folder)) as answer:
            answers(rehearsal, answer)
    in_containers(rehearsal)
    rehearsal.step("Done")
    rehearsal.say("\n".join(["Wrong:", *rehearsal.faults]) if rehearsal.faults else "All was right.")
    return int(bool(rehearsal.faults))


def package(rehearsal: Rehearsal, endpoint: str, folder: Path) -> dict[str, Any]:
    """`sam package` into a bucket, and what lies there then; the template that it made."""
    rehearsal.step("sam package, into a bucket of moto's")
    aws_client("s3", endpoint).create_bucket(Bucket="artefacts")
    output = folder / "packaged.yaml"
    command = [str(SAM), "package", "--template-file", str(BUILD / "template.yaml"), "--s3-bucket", "artefacts"]
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
    found = {each.name: each for each in packages(template, endpoint)}
    rehearsal.say("  package            zipped  unzipped   files  modules  on top")
    for each in found.values():
        sizes = f"{_mb(each.zipped)} {_mb(each.unzipped)} {each.files:>7} {each.modules:>8}"
        folders = [name for name in each.folders if not name.endswith((".dist-info", "__pycache__"))]
        rehearsal.say(f"  {each.name:<16} {sizes}  {_list(folders)}")
    for each in found.values():
        rehearsal.check(
            f"{each.name}: byte code of every module", right=each.modules > 0 and not each.without_byte_code
        )
    _check_sizes(rehearsal, found)
    return template


def _check_sizes(rehearsal: Rehearsal, found: dict[str, Package]) -> None:
    for name in dict(EVENTS):
        together = found[name].unzipped + found[LAYER].unzipped
        sizes = f"{_mb(together).strip()} unzipped, of {_mb(LAMBDA_ALLOWS).strip()} that Lambda allows"
        rehearsal.check(f"{name} with the layer: {sizes}", right=together <= LAMBDA_ALLOWS)


def create(rehearsal: Rehearsal, endpoint: str, packaged: dict[str, Any]) -> None:
    """The template, as SAM transforms it, by moto's CloudFormation: all of it that moto knows."""
    rehearsal.step("The transformed template, created by moto's CloudFormation")
    template = transformed(packaged, GIVEN, REGION)
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
    values = parameter_values(template, GIVEN) | pseudo_parameters(STACK_NAME, REGION, ACCOUNT)
    intrinsics = Intrinsics(template, values, lambda name, _: None if types[name] in get_model_map() else name)
    return {
        name: {"Type": kind, "Properties": properties}
        for kind in sorted(set(types.values()))
        for name, properties in resources_of(template, intrinsics, kind).items()
    }


def _say_by_type(rehearsal: Rehearsal, declared: dict[str, dict[str, Any]], names: Collection[str]) -> None:
    by_type = defaultdict(list)
    for name in sorted(names):
        by_type[declared[name]["Type"]].append(name)
    for kind, those in sorted(by_type.items()):
        rehearsal.say(f"    {kind:<32} {_list(those)}")


@contextmanager
def emulated(
    rehearsal: Rehearsal, endpoint: str, built: dict[str, Built], folder: Path
) -> Iterator[Callable[[str, str], Any]]:
    """Gives what invokes a built function with an example under the Lambda emulator."""
    rehearsal.step("Each built function under AWS's Lambda emulator")
    with recogniser("asr", folder / "recogniser.log") as whisperx:
        stack: Stack = deploy(BUILD / "template.yaml", endpoint, {"WhisperXUrl": whisperx})
        put_samples(stack)
        events = examples(stack, api_key(endpoint, stack.secrets["ApiKeySecret"]))

        def answer(function: str, event: str) -> Any:
            variables = lambda_environment(stack.functions[function], stack)
            with emulator.emulate(built[function], variables, folder / f"{function}.log") as emulated:
                return emulated.invoke(events[event])

        yield answer


def answers(rehearsal: Rehearsal, answer: Callable[[str, str], Any]) -> None:
    """From an upload to a transcript, function by function."""
    for function, event in EVENTS:
        try:
            right, text = _judged(function, event, answer(function, event))
        except AssertionError as error:  # the function raised, and that holds its log
            right, text = False, str(error)
        rehearsal.check(f"{function} ← {event}.json: {text}", right=right)


def _judged(function: str, event: str, given: dict[str, Any]) -> tuple[bool, str]:
    """Whether the answer is as it should be, and what it is in short."""
    if function in COUNTED:
        counts = {what: count for what, count in given["counts"].items() if count}
        right = given["status"] == "succeeded" and counts.get(COUNTED[function]) == 1
        return right, f"{given['status']} {json.dumps(counts)}"
    items = json.loads(given["body"]).get("items", [])
    statuses = [each["transcriptionStatus"] for each in items]
    wanted = (200, ["completed"]) if event == "api-list" else (401, [])
    return (given["statusCode"], statuses) == wanted, f"{given['statusCode']} {[_said(each) for each in items] or ''}"


def _said(item: dict[str, Any]) -> str | None:
    return item["transcript"] and item["transcript"]["preview"]


def in_containers(rehearsal: Rehearsal) -> None:
    """The same by `sam local`, where there is Docker."""
    rehearsal.step("Each built function in a container, by sam local")
    if reason := why_not():
        rehearsal.say(f"  left out: {reason}")
        return
    with sam_local() as sam:
        answers(rehearsal, sam.invoke)
        for said, key, wanted in (("with", sam.key, 200), ("without", "", 401)):
            status = sam.ask("/api/call-recordings", key=key).status_code
            rehearsal.check(f"start-api: GET /api/call-recordings {said} its key: {status}", right=status == wanted)


def _mb(size: int) -> str:
    return f"{size / 1e6:>6.1f} MB"


def _list(names: Any) -> str:
    return ", ".join(names)


if __name__ == "__main__":
    if reason := emulator.why_not():
        sys.exit(f"No rehearsal: {reason}.")
    sys.exit(main())
