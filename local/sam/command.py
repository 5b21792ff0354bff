"""`sam`: the built functions in containers, with moto's AWS, the sample recordings and the recogniser beside them."""

import time
from contextlib import ExitStack

from local import LocalError
from local.build import ROOT, build
from local.cloud.aws import serve_aws
from local.cloud.secrets import api_key
from local.cloud.stack import Stack, deploy
from local.http_server import LOCALHOST
from local.recogniser.started import recogniser
from local.sam.containers import SAM, find_address, free_port, has_image, why_not
from local.sam.files import write
from local.sam.service import service
from local.sample_calls import PARAMETERS, put_samples

STATE = ROOT / ".callscribe" / "sam"
CONFIG = STATE / "samconfig.toml"
PAUSE_SECONDS = 0.5


def sam(port: int) -> int:
    """Serves the HTTP API on `port` until Ctrl-C; the exit status. Raises LocalError."""
    if reason := why_not():
        raise LocalError(f"sam local needs Docker ({reason}). Without it, `make demo` runs the same functions.")
    address = find_address()
    try:
        port = free_port(LOCALHOST, port)
    except OSError as error:
        raise LocalError(f"Port {port}: {error.strerror}. Choose another one with --port.") from error
    print("Building what has changed of the functions …", flush=True)
    build()
    STATE.mkdir(parents=True, exist_ok=True)
    with ExitStack() as parts:
        aws = parts.enter_context(serve_aws(host=address.listen))
        whisperx = parts.enter_context(recogniser("asr", STATE / "recogniser.log", address.listen))
        stack = deploy(ROOT / "template.yaml", aws, {"WhisperXUrl": address.inside(whisperx), **PARAMETERS})
        put_samples(stack)
        key = api_key(aws, stack.secrets["ApiKeySecret"])
        invoked = free_port(address.listen)
        endpoints = {
            "AWS_ENDPOINT_URL": address.inside(aws),
            "AWS_ENDPOINT_URL_LAMBDA": f"http://{address.name}:{invoked}",
        }
        write(STATE, stack, key, endpoints, skip_pull=has_image())
        places = (("start-lambda", address.listen, invoked), ("start-api", LOCALHOST, port))
        services = {
            name: parts.enter_context(service(name, CONFIG, host, each, STATE / f"{name}.log"))
            for name, host, each in places
        }
        print(hello(stack, f"http://{LOCALHOST}:{port}", key), flush=True)
        try:
            while True:
                time.sleep(PAUSE_SECONDS)
                for name, process in services.items():
                    if process.poll() is not None:
                        raise LocalError(f"sam local {name} has ended. {STATE / name}.log may say why.")
        except KeyboardInterrupt:
            return 0


def hello(stack: Stack, url: str, key: str) -> str:
    """What to do with it, as commands that can be pasted."""
    sam, config, events = (path.relative_to(ROOT) for path in (SAM, CONFIG, STATE / "events"))
    invoke = f"{sam} local invoke --config-file {config}"
    return "\n".join(
        (
            f"The API answers at {url}, from a container, with this key:",
            f'  curl -H "Authorization: Bearer {key}" {url}/api/call-recordings',
            f"The admin page is at {url}/admin: sign in with the same key.",
            f"AWS answers at {stack.endpoint}, with the bucket {stack.buckets['RecordingsBucket']}.",
            "Run a function in a container of its own, in another terminal and this folder:",
            f"  {invoke} SyncFunction -e {events}/schedule.json",
            f"  {invoke} QueueFunction -e {events}/schedule.json",
            f"  {invoke} ProcessFunction -e {events}/schedule.json",
            f"  {invoke} SyncFunction -e {events}/upload.json",
            f"  {invoke} ApiFunction -e {events}/api-list.json",
            f"  {invoke} ApiFunction -e {events}/api-list-without-key.json",
            "docs/sam-local.md tells of the other events. Stop with Ctrl-C.",
        )
    )
