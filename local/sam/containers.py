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
ADDRESS_VARIABLE = "SAM_LOCAL_HOST_IP"
DOCKER_DESKTOP_HOST = "host.docker.internal"
"""By this name, containers of Docker Desktop reach what listens on its user's own loopback."""


@dataclass(frozen=True, slots=True)
class ContainerAddress:
    """`listen` is where a server has to listen, `name` what containers call that."""

    listen_host: str
    container_host: str

    def container_url(self, url: str) -> str:
        """A URL of this machine, as containers have to call it."""
        return url.replace(self.listen_host, self.container_host)


def unavailable_reason() -> str | None:
    """Why no container can be run, or None."""
    if shutil.which("docker") is None:
        return "there is no command 'docker'"
    result = _docker("version", "--format", "{{.Server.Version}}")
    return None if result.returncode == 0 else f"Docker does not answer: {result.stderr.strip()}"


def find_address() -> ContainerAddress:
    """On Linux, only the bridge that the containers are connected to: what listens there is not seen in the network.

    Raises LocalError.
    """
    if override := os.environ.get(ADDRESS_VARIABLE):
        address = ContainerAddress(override, override)
    elif _docker("info", "--format", "{{.OperatingSystem}}").stdout.strip() == "Docker Desktop":
        address = ContainerAddress(LOCALHOST, DOCKER_DESKTOP_HOST)
    else:
        bridge = _docker(
            "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"
        ).stdout.strip()
        address = ContainerAddress(bridge, bridge)
    try:
        find_free_port(address.listen_host)
    except OSError as error:
        raise LocalError(
            f"Containers do not reach this machine at '{address.listen_host}' ({error}). "
            f"Set {ADDRESS_VARIABLE} to an address of it "
            "at which they do."
        ) from error
    return address


def find_free_port(host: str, port: int = 0) -> int:
    """`wanted`, if nobody listens on it, or any one. Raises OSError if it is taken."""
    with socket.create_server((host, port)) as listener:
        return int(listener.getsockname()[1])


def has_image() -> bool:
    """Whether the image is here; SAM CLI would else ask its registry for a newer one each time."""
    return _docker("image", "inspect", IMAGE).returncode == 0


def _docker(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S607
