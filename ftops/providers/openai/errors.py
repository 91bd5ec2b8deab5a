"""What the OpenAI platform answers, where it says it in another way than Azure.

`daily_rate_limit_exceeded` comes as a 429, and yet it is permanent: the limit is one of a day, a run that
tried again until it is lifted would stand for hours, and nothing was made, so that the next run makes it.
"""

from __future__ import annotations

from ftops.providers.dataplane.errors import Words, later, never

_KEY = "check `api_key` of the provider, and that the key isn't revoked (platform.openai.com/api-keys)"
_PERMISSION = (
    "the key may not do this: keys can be restricted to some interfaces; fine-tuning needs write access to "
    "files, fine-tuning and models, in the project that `project` names or the key belongs to"
)
_CREDIT = "see platform.openai.com/settings/organization/billing"

PLATFORM = Words(
    route="check `base_url` of the provider (https://api.openai.com/v1)",
    by_code={
        "invalid_api_key": never("the platform doesn't accept the key", _KEY),
        "insufficient_quota": never("no credit is left", _CREDIT),
        "billing_hard_limit_reached": never("the spending limit is reached", _CREDIT),
        "billing_not_active": never("the organization pays no bills", _CREDIT),
        "daily_rate_limit_exceeded": never(
            "no more jobs today",
            "apply again tomorrow, or ask for a higher limit; jobs that run go on, and nothing was started",
        ),
        "rate_limit_exceeded": later("too many requests"),
        "model_not_found": never("there is no such model", "check `model`, and which project the key is of"),
        "unsupported_country_region_territory": never("the platform serves nobody from this country"),
    },
    by_status={
        401: never("the platform doesn't accept who is asking", _KEY),
        403: never("not allowed", _PERMISSION),
        404: never(),
        409: later("something else is going on with it"),
        413: never("the file is too large", "the limit is 512 MB a file"),
    },
)
