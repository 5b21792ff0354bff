"""Whether there is Docker, and at which address its containers reach this machine."""

import os
import shutil
import socket
import subprocess
from dataclasses import dataclass

from local import LocalError
from local.build import ARCHITECTURE, ROOT
from local.http_server import LOCALHOST

SAM = ROOT / ".venv-sam" / "bin" / "sam"
IMAGE = f"public.ecr.aws/lambda/python:3.13-{ARCHITECTURE}"
"""What SAM CLI runs the functions in, by the name that it looks for."""
OVERRIDE = "SAM_LOCAL_HOST_IP"
DESKTOP = "host.docker.internal"
"""By this name, containers of Docker Desktop reach what listens on its user's own loopback."""


@dataclass(frozen=True, slots=True)
class Address:
    """`listen` is where a server has to listen, `name` what containers call that."""

    listen: str
    name: str

    def inside(self, url: str) -> str:
        """A URL of this machine, as containers have to call it."""
        return url.replace(self.listen, self.name)


def why_not() -> str | None:
    """Why no container can be run, or None."""
    if shutil.which("docker") is None:
        return "there is no command 'docker'"
    said = _docker("version", "--format", "{{.Server.Version}}")
    return None if said.returncode == 0 else f"Docker does not answer: {said.stderr.strip()}"


def find_address() -> Address:
    """On Linux, only the bridge that the containers are connected to: what listens there is not seen in the network.

    Raises LocalError.
    """
    if given := os.environ.get(OVERRIDE):
        found = Address(given, given)
    elif _docker("info", "--format", "{{.OperatingSystem}}").stdout.strip() == "Docker Desktop":
        found = Address(LOCALHOST, DESKTOP)
    else:
        bridge = _docker(
            "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"
        ).stdout.strip()
        found = Address(bridge, bridge)
    try:
        free_port(found.listen)
    except OSError as error:
        raise LocalError(
            f"Containers do not reach this machine at '{found.listen}' ({error}). Set {OVERRIDE} to an address of it "
            "at which they do."
        ) from error
    return found


def free_port(host: str, wanted: int = 0) -> int:
    """`wanted`, if nobody listens on it, or any one. Raises OSError if it is taken."""
    with socket.create_server((host, wanted)) as each:
        return int(each.getsockname()[1])


def has_image() -> bool:
    """Whether the image is here; SAM CLI would else ask its registry for a newer one each time."""
    return _docker("image", "inspect", IMAGE).returncode == 0


def _docker(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S607
