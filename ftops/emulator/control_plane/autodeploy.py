"""Deployments that the service makes by itself when a job succeeds: ``inference_configs``.

Source: the fine-tuning samples of azure-sdk-for-python. The deployment's name is the service's choice
and not documented: the setting ``auto_deployment_name``.
"""

from __future__ import annotations

import dataclasses
import re
import uuid

from ftops.emulator.account.cloud import Cloud, Deployment, Job

_LONGEST = 64


def settle(cloud: Cloud) -> None:
    """Make the deployments of the jobs that have succeeded by now."""
    now = cloud.clock.now()
    for job in cloud.jobs.all():
        if job.inference_sku is None or job.deployed or job.outcome is None:
            continue
        if job.outcome["status"] == "succeeded" and job.outcome["at"] <= now:
            _deploy(cloud, job)


def _deploy(cloud: Cloud, job: Job) -> None:
    settings, name = cloud.settings, _name(cloud, job)
    at = float((job.outcome or {})["at"])
    ready = at + settings.deployment_seconds
    cloud.jobs.put(dataclasses.replace(job, deployed=True))
    if cloud.deployments.get(name.lower()) is not None:
        return
    model = {"format": "OpenAI", "name": job.fine_tuned_model, "version": "1"}
    cloud.deployments.put(
        Deployment(
            id=name.lower(),
            created=at,
            name=name,
            model=model,
            sku={"name": job.inference_sku, "capacity": 1},
            properties={"versionUpgradeOption": "OnceNewDefaultVersionAvailable"},
            modified=at,
            ready=ready,
            etag=str(uuid.uuid4()),
            routed=ready + settings.not_found_seconds,
        )
    )


def _name(cloud: Cloud, job: Job) -> str:
    known = {"{job}": job.id, "{suffix}": job.suffix or "", "{model}": job.fine_tuned_model or ""}
    text = cloud.settings.auto_deployment_name
    for key, value in known.items():
        text = text.replace(key, value)
    text = re.sub(r"[^A-Za-z0-9_.-]", "-", text).strip("-.")[:_LONGEST]
    return text if len(text) > 1 else job.id
