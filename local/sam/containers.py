"""Checks for Docker, and finds the address at which its containers reach this machine."""

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
"""The image in which SAM CLI runs the functions, by the name that it looks for."""
ADDRESS_VARIABLE = "SAM_LOCAL_HOST_IP"
DOCKER_DESKTOP_HOST = "host.docker.internal"
"""The name by which containers of Docker Desktop reach servers on the loopback of this machine."""


@dataclass(frozen=True, slots=True)
class ContainerAddress:
    """`listen_host`: where a server must listen. `container_host`: the same host, as containers reach it."""

    listen_host: str
    container_host: str

    def container_url(self, url: str) -> str:
        """Translate a URL of this machine for use in containers."""
        return url.replace(self.listen_host, self.container_host)


def unavailable_reason() -> str | None:
    """Return why containers cannot be run, or None if they can."""
    if shutil.which("docker") is None:
        return "the command 'docker' was not found"
    result = _docker("version", "--format", "{{.Server.Version}}")
    return None if result.returncode == 0 else f"Docker is not running: {result.stderr.strip()}"


def find_address() -> ContainerAddress:
    """Find the address for servers that containers use. Raises: LocalError, when nothing can listen there.

    On Linux it is the bridge that the containers are connected to, so that the servers are not visible in the network.
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
            f"Containers cannot reach this machine at '{address.listen_host}' ({error}). "
            f"Set {ADDRESS_VARIABLE} to an address at which they can."
        ) from error
    return address


def find_free_port(host: str, port: int = 0) -> int:
    """Return `port` if it is free, or any free port for 0. Raises: OSError, when it is taken."""
    with socket.create_server((host, port)) as listener:
        return int(listener.getsockname()[1])


def has_image() -> bool:
    """Whether the image exists locally. If so, SAM CLI can start without checking its registry for a newer one."""
    return _docker("image", "inspect", IMAGE).returncode == 0


def _docker(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S607
