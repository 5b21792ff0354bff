"""`sam`: runs the built functions in containers, with moto as AWS, the sample recordings and the recogniser."""

import time
from collections.abc import Mapping
from contextlib import ExitStack

from local import LocalError
from local.build import ROOT, build_functions
from local.cloud.aws import serve_aws
from local.cloud.secrets import read_api_key
from local.cloud.stack import Stack, deploy
from local.http_server import LOCALHOST
from local.options import effect_remarks
from local.recogniser.process import run_recogniser
from local.sam.containers import SAM, find_address, find_free_port, has_image, unavailable_reason
from local.sam.files import write_files
from local.sam.service import run_sam_service
from local.sample_calls import PARAMETERS, put_samples

STATE = ROOT / ".callscribe" / "sam"
CONFIG = STATE / "samconfig.toml"
PAUSE_SECONDS = 0.5


def run_sam(port: int, parameters: Mapping[str, str]) -> int:
    """Serve the HTTP API on `port` (0: any free one) until Ctrl-C; return the exit status.

    `parameters` are those of the template. Containers must be able to reach a `WhisperXUrl` among them.

    Raises: LocalError, when Docker is missing or the API does not start.
    """
    if reason := unavailable_reason():
        raise LocalError(f"sam local needs Docker: {reason}. `make demo` runs the same functions without it.")
    address = find_address()
    try:
        port = find_free_port(LOCALHOST, port)
    except OSError as error:
        raise LocalError(f"Port {port}: {error.strerror}. Choose another one with --port.") from error
    for remark in effect_remarks(parameters):
        print(remark, flush=True)
    print("Building the functions …", flush=True)
    build_functions()
    STATE.mkdir(parents=True, exist_ok=True)
    with ExitStack() as exit_stack:
        aws = exit_stack.enter_context(serve_aws(host=address.listen_host))
        parameters = PARAMETERS | dict(parameters)
        if "WhisperXUrl" not in parameters:
            dialect = parameters.get("WhisperXDialect", "asr")
            url = exit_stack.enter_context(run_recogniser(dialect, STATE / "recogniser.log", address.listen_host))
            parameters["WhisperXUrl"] = address.container_url(url)
        stack = deploy(ROOT / "template.yaml", aws, parameters)
        put_samples(stack)
        key = read_api_key(aws, stack.secrets["ApiKeySecret"])
        lambda_port = find_free_port(address.listen_host)
        endpoints = {
            "AWS_ENDPOINT_URL": address.container_url(aws),
            "AWS_ENDPOINT_URL_LAMBDA": f"http://{address.container_host}:{lambda_port}",
        }
        write_files(STATE, stack, key, endpoints, skip_pull=has_image())
        bindings = (("start-lambda", address.listen_host, lambda_port), ("start-api", LOCALHOST, port))
        services = {
            name: exit_stack.enter_context(run_sam_service(name, CONFIG, host, service_port, STATE / f"{name}.log"))
            for name, host, service_port in bindings
        }
        print(welcome_text(stack, f"http://{LOCALHOST}:{port}", key), flush=True)
        try:
            while True:
                time.sleep(PAUSE_SECONDS)
                for name, process in services.items():
                    if process.poll() is not None:
                        raise LocalError(f"sam local {name} has stopped. See {STATE / name}.log.")
        except KeyboardInterrupt:
            return 0


def welcome_text(stack: Stack, url: str, key: str) -> str:
    """Describe how to use the stack, with commands to paste."""
    sam_path, config, events = (path.relative_to(ROOT) for path in (SAM, CONFIG, STATE / "events"))
    invoke = f"{sam_path} local invoke --config-file {config}"
    return "\n".join(
        (
            f"HTTP API:   {url} (runs in a container)",
            f'  curl -H "Authorization: Bearer {key}" {url}/api/call-recordings',
            f"Admin page: {url}/admin (sign in with the same key)",
            f"Local AWS:  {stack.endpoint} (recordings bucket {stack.buckets['RecordingsBucket']})",
            "To invoke one function in its own container, run in another terminal, in this folder:",
            f"  {invoke} SyncFunction -e {events}/schedule.json",
            f"  {invoke} QueueFunction -e {events}/schedule.json",
            f"  {invoke} ProcessFunction -e {events}/schedule.json",
            f"  {invoke} SyncFunction -e {events}/upload.json",
            f"  {invoke} ApiFunction -e {events}/api-list.json",
            f"  {invoke} ApiFunction -e {events}/api-list-without-key.json",
            "See docs/sam-local.md for the other events. Press Ctrl-C to stop.",
        )
    )
