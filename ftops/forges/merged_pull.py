"""Merged pull: the pull request whose merge made a commit, for runs after the merge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.forges.service import Service, Target

if TYPE_CHECKING:
    from ftops.forges.client import ForgeClient


def merged_pull(service: Service, client: ForgeClient, target: Target) -> int:
    """Its number; 0 if there is none. The commit may be in others, which have it from the branch, or were
    merged before with it. Raises ForgeError."""
    found = (pull.number for pull in service.merged(client, target) if target.commit in pull.commits)
    return max(found, default=0)
