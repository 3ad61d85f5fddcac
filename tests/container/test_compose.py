"""compose.yaml names only what there is, and lets nothing more in or out than it says."""

import re
import shutil
import subprocess
from importlib.metadata import entry_points
from ipaddress import ip_address, ip_network

import pytest
import yaml

from serving.defence.proxies import read_addresses
from serving.settings import Settings, variable
from tests.container._dockerfile import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
CADDYFILE = ROOT / "deploy" / "Caddyfile"


def test_every_network_volume_and_secret_that_is_named_is_there_and_used() -> None:
    for kind in ("networks", "volumes", "secrets"):
        used = set()
        for service in SERVICES.values():
            for one in service.get(kind, []):
                used.add(str(one).partition(":")[0])
        assert {name for name in used if not name.startswith(".")} == set(COMPOSE[kind]), kind


def test_what_is_waited_for_has_a_health_check() -> None:
    waited = {name for service in SERVICES.values() for name in service.get("depends_on", {})}
    assert waited == {"server", "database"}
    assert "healthcheck" in SERVICES["database"]
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text(encoding="utf-8")  # the server's


def test_the_servers_variables_are_settings() -> None:
    known = {variable(name) for name in Settings.model_fields}
    named = {name for name in SERVICES["server"]["environment"] if name.startswith("MEDZOO_")}
    assert "MEDZOO_PROXY_ADDRESSES" in named
    assert named <= known


def test_the_proxy_alone_is_believed_and_the_others_publish_no_port() -> None:
    believed = read_addresses((SERVICES["server"]["environment"]["MEDZOO_PROXY_ADDRESSES"],))
    address = ip_address(SERVICES["proxy"]["networks"]["inside"]["ipv4_address"])
    assert [list(network) for network in believed] == [[address]]
    inside = COMPOSE["networks"]["inside"]
    assert inside["internal"] is True
    assert address in ip_network(inside["ipam"]["config"][0]["subnet"])
    assert [name for name, one in SERVICES.items() if "ports" in one] == ["proxy"]


def test_every_container_has_a_read_only_root_and_no_capability_that_is_not_named() -> None:
    said = {name: (one["read_only"], one["cap_drop"], one.get("cap_add")) for name, one in SERVICES.items()}
    assert said == {
        "proxy": (True, ["ALL"], ["NET_BIND_SERVICE"]),
        "server": (True, ["ALL"], None),
        "database": (True, ["ALL"], ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]),
    }


def test_no_password_stands_in_the_file_and_git_never_sees_the_secrets() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert not re.search(r"POSTGRES_PASSWORD:|://\w+:\w", text)
    folders = {one["file"].rpartition("/")[0].removeprefix("./") for one in COMPOSE["secrets"].values()}
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {f"{folder}/" for folder in folders} <= set(ignored)


def test_every_file_that_is_mounted_is_there() -> None:
    mounted = [v for one in SERVICES.values() for v in one.get("volumes", []) if v.startswith("./")]
    assert mounted == ["./deploy/Caddyfile:/etc/caddy/Caddyfile:ro"]
    assert CADDYFILE.is_file()


@pytest.mark.skipif(shutil.which("caddy") is None, reason="caddy is not here: apt-get install caddy")
def test_caddy_finds_its_file_right() -> None:
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(CADDYFILE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_kubernetes_example_mounts_what_it_names_and_has_the_same_bounds() -> None:
    text = (ROOT / "docs" / "container.md").read_text(encoding="utf-8")
    parts = {
        one["kind"]: one for one in yaml.safe_load_all(text.partition("```yaml\n")[2].partition("```")[0])
    }
    pod = parts["Deployment"]["spec"]["template"]["spec"]
    containers = [*pod["initContainers"], *pod["containers"]]
    mounted = {mount["name"] for one in containers for mount in one["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 1000)
    assert all(one["securityContext"]["readOnlyRootFilesystem"] for one in containers)
    assert {one["name"] for one in pod["containers"][0]["env"]} <= {
        variable(n) for n in Settings.model_fields
    }
    claim = next(v for v in pod["volumes"] if v["name"] == "cache")["persistentVolumeClaim"]["claimName"]
    assert claim == parts["PersistentVolumeClaim"]["metadata"]["name"]


@pytest.mark.parametrize("line", ["keys new", "serve --host", "accounts new", "space me/zoo"])
def test_a_verb_that_the_document_types_is_there(line: str) -> None:
    text = (ROOT / "docs" / "container.md").read_text(encoding="utf-8")
    assert line in text
    assert line.split()[0] in entry_points(group="medzoo.verbs").names
