"""Plain scripts against `ftops emulator` and nothing else: a real server, and each script a process of its
own that is told an endpoint and a key. They are written after the service's how-to documents; what they do
not say (a training type, a wait for the file) the server must not ask for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support import forked

HERE = Path(__file__).parent
SCRIPTS = {
    "customize.py": [sys.executable],
    "customize.sh": ["bash"],
    "functions.py": [sys.executable],
    "preferences.py": [sys.executable],
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """What a script is told of a server that was started as a user starts it."""
    folder = tmp_path_factory.mktemp("account")
    command = [sys.executable, "-m", "ftops", "emulator", "--port", "0", "--data", str(folder)]
    command += ["--clock-rate", "20"]  # what takes the service minutes takes it seconds, and us less
    with forked.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            place = json.loads(server.stdout.readline())
            yield {
                "AZURE_OPENAI_ENDPOINT": place["url"],
                "AZURE_OPENAI_API_KEY": place["api_key"],
                "MANAGEMENT_ENDPOINT": place["url"],
                "SUBSCRIPTION": place["subscription_id"],
                "RESOURCE_GROUP": place["resource_group"],
                "RESOURCE_NAME": place["account"],
                "TOKEN": _token(place["url"], place["api_key"]),
                "PYTHON": sys.executable,
                "PAUSE": "0.05",
            }
        finally:
            server.terminate()


def _token(url: str, key: str) -> str:
    """What `az account get-access-token` prints: here, of the account's managed identity."""
    resource = "https://management.azure.com"
    request = urllib.request.Request(
        f"{url}/msi/token?api-version=2019-08-01&resource={resource}", headers={"X-IDENTITY-HEADER": key}
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        return str(json.load(reply)["access_token"])


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_script_runs_to_its_end(script: str, told: Mapping[str, str], tmp_path: Path) -> None:
    if script.endswith(".sh") and not (shutil.which("curl") and shutil.which("bash")):
        pytest.skip("no curl or no bash here")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **told}
    done = subprocess.run(
        [*SCRIPTS[script], str(HERE / script)], env=environment, cwd=tmp_path,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert done.stdout.endswith("done\n")
