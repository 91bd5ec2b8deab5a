"""The stand-ins of Git hosting services, used by independent clients: PyGithub and python-gitlab."""

from __future__ import annotations

from pathlib import Path

from tests.clients.install import from_pypi
from tests.forges.conftest import HEAD, TOKEN
from tests.forges.github_api import GitHub
from tests.forges.gitlab_api import GitLab
from tests.forges.stand_in import running

SCRIPTS = Path(__file__).parent / "scripts"


def test_pygithub() -> None:
    client = from_pypi("PyGithub", "PyGithub")
    with running(GitHub()) as forge:
        assert isinstance(forge, GitHub)
        shown = client.json("python", SCRIPTS / "forge_github.py", forge.api, TOKEN, HEAD)
        assert [comment.is_minimized for comment in forge.comments] == [False, True, False, False]
    assert shown == {
        "comments": ["edited", "comment 1", "comment 3", "comment 4"],
        "refused": 422,
        "annotations": [1, 2, 3, 1, 2, 3],
        "runs": ["neutral"],
        "status": ["failure", "ftops/drone/prod"],
    }


def test_python_gitlab() -> None:
    client = from_pypi("python-gitlab", "python-gitlab")
    with running(GitLab()) as forge:
        assert isinstance(forge, GitLab)
        shown = client.json("python", SCRIPTS / "forge_gitlab.py", forge.url, TOKEN, HEAD)
        assert forge.shown_statuses() == [("ftops/drone/prod", "failed")]
    notes = ["edited", "note 1", "note 3", "note 4"]
    assert shown == {"notes": notes, "refused": 400, "user": "ci[bot]"}
