"""The container and the compose file, as far as they can be tested without an engine: the very command that starts the
container runs here, with the variables of the compose file, and is asked by the container's health check."""

import ipaddress
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
START_SECONDS = 60
STOP_SECONDS = 30


def instruction(name: str) -> list[str]:
    """The words of the last such instruction of the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    words: list[str] = json.loads(re.findall(rf"^{name}.*?(\[.*\])", text, re.MULTILINE)[-1])
    return words


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def here(words: list[str], port: int) -> list[str]:
    """The container's words on this machine: loopback only, another port, this environment's programs."""
    at = {"0.0.0.0": "127.0.0.1", "8420": str(port), "tallylight": str(BIN / "tallylight"), "python": sys.executable}
    return [at.get(word, word).replace("127.0.0.1:8420", f"127.0.0.1:{port}") for word in words]


def test_what_the_container_starts_serves_and_ends(postgres_url: str, redis_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    values = {
        "TALLYLIGHT_ENV": "production",
        "TALLYLIGHT_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "TALLYLIGHT_SECRET": "x" * 32,
        "TALLYLIGHT_DATABASE_URL": postgres_url,
        "TALLYLIGHT_REDIS_URL": redis_url,
        "TALLYLIGHT_LLM": "scripted",
    }
    handed_over = {name: values.get(name, "") for name in compose()["services"]["gateway"]["environment"]}
    assert values.keys() <= handed_over.keys()
    environment = {"PATH": os.environ["PATH"], **handed_over}
    subprocess.run([*here(["tallylight", "db", "upgrade"], port)], env=environment, check=True, capture_output=True)
    gateway = subprocess.Popen(here(instruction("CMD"), port), env=environment)
    try:
        health = here(instruction("HEALTHCHECK"), port)
        wait_for(lambda: subprocess.run(health, check=False, capture_output=True).returncode == 0, START_SECONDS)
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(STOP_SECONDS) == 0
    finally:
        gateway.kill()
        gateway.wait()


def test_every_variable_of_the_example_is_handed_over_and_the_other_way_round() -> None:
    example = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    asked_for = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert example == asked_for


def test_nothing_in_the_container_runs_as_root_or_is_published_beyond_this_machine() -> None:
    assert re.findall(r"^USER (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE) == ["10001"]
    ports = [port for service in compose()["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8420:8420"]


def test_every_server_has_a_health_check() -> None:
    services = compose()["services"]
    assert all("healthcheck" in services[name] for name in ("postgres", "valkey"))
    assert instruction("HEALTHCHECK")


def test_the_proxy_on_the_host_is_believed() -> None:
    """Else all visitors share one address, with its daily chats and its sockets."""
    (pool,) = compose()["networks"]["default"]["ipam"]["config"]
    first = next(ipaddress.ip_network(pool["subnet"]).hosts())
    trusted = compose()["services"]["gateway"]["environment"]["TALLYLIGHT_TRUSTED_PROXIES"]
    assert trusted == f"${{TALLYLIGHT_TRUSTED_PROXIES:-{first}}}"
