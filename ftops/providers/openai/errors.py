"""Errors of the OpenAI platform: codes and statuses that only it has, or that mean something else there.

They override the tables by code and status in `dataplane.errors`.
"""

from __future__ import annotations

from ftops.providers.dataplane.errors import Words, later, never

_KEY = "check the provider's `api_key`, and that the key isn't revoked (platform.openai.com/api-keys)"
_PERMISSION = (
    "the key lacks a permission: fine-tuning needs write access to files, fine-tuning and models, in the "
    "project that `project` names or that the key belongs to"
)
_CREDIT = "see platform.openai.com/settings/organization/billing"

PLATFORM = Words(
    route="check the provider's `base_url` (https://api.openai.com/v1)",
    by_code={
        "invalid_api_key": never("the platform rejected the key", _KEY),
        "insufficient_quota": never("no credit is left", _CREDIT),
        "billing_hard_limit_reached": never("the spending limit is reached", _CREDIT),
        "billing_not_active": never("billing isn't active for the organization", _CREDIT),
        # Comes as a 429, but waiting for the next day would block the run; nothing was created.
        "daily_rate_limit_exceeded": never(
            "the daily limit of jobs is reached",
            "apply again tomorrow, or request a higher limit; running jobs continue",
        ),
        "rate_limit_exceeded": later("too many requests"),
        "model_not_found": never("there is no such model", "check `model`, and the project of the key"),
        "unsupported_country_region_territory": never("the platform isn't available in this country"),
    },
    by_status={
        401: never("authentication failed", _KEY),
        403: never("access denied", _PERMISSION),
    },
)
