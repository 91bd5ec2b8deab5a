"""Rate limits of deployments: requests in ten seconds and tokens in a minute, in proportion to the capacity.

As the service documents: a request counts when it arrives, with the tokens of its prompt and its largest
answer. Windows are of the virtual clock, and forgotten when the server ends. What the service's headers count
is not documented: here it is the window.
"""

from __future__ import annotations

from math import ceil

from ftops.emulator.account.cloud import Cloud, Deployment
from ftops.emulator.http.errors import ServiceError

PERIODS = {"requests": 10, "tokens": 60}
_NAMES = {"requests": "call rate limit", "tokens": "token rate limit"}


class RateLimits:
    def __init__(self) -> None:
        self._used: dict[tuple[str, str], tuple[int, int]] = {}  # number of the window, used in it

    def take(self, cloud: Cloud, deployment: Deployment, tokens: int, version: str) -> dict[str, str]:
        """Count a request; the headers of its reply. Raises ServiceError if a limit is reached."""
        now, headers, counted = cloud.clock.now(), {}, {}
        for kind, wanted in (("requests", 1), ("tokens", tokens)):
            limit = getattr(cloud.settings, f"{kind}_per_unit") * deployment.sku["capacity"]
            if not limit:
                continue
            window = int(now // PERIODS[kind])
            start, used = self._used.get((deployment.id, kind), (window, 0))
            used = wanted + (used if start == window else 0)
            if used > limit:
                left = (window + 1) * PERIODS[kind] - now
                raise _exceeded(kind, left / (cloud.clock.rate or 1.0), version)
            counted[deployment.id, kind] = window, used
            headers[f"x-ratelimit-limit-{kind}"] = str(limit)
            headers[f"x-ratelimit-remaining-{kind}"] = str(limit - used)
        self._used |= counted
        return headers


def _exceeded(kind: str, seconds: float, version: str) -> ServiceError:
    """``seconds`` are real ones, in which the caller waits."""
    whole = max(1, ceil(seconds))
    return ServiceError(
        429,
        "429",
        f"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version {version} have "
        f"exceeded {_NAMES[kind]} of your current OpenAI S0 pricing tier. Please retry after {whole} "
        "seconds. Please go here: https://aka.ms/oai/quotaincrease if you would like to further increase "
        "the default rate limit.",
        {
            "retry-after": str(whole),
            "retry-after-ms": str(max(1, ceil(seconds * 1000))),
            f"x-ratelimit-remaining-{kind}": "0",
        },
    )
