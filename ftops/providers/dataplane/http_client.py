"""HTTP client of the data plane's SDK, which limits the replies that it reads as a whole.

Importing this module loads the SDK.
"""

from __future__ import annotations

from typing import Any

from openai import DefaultHttpxClient

from ftops.core.limited_replies import limited

_CODINGS = ("content-encoding", "content-length", "transfer-encoding")
"""Headers about the form in which content was sent."""


class LimitedClient(DefaultHttpxClient):
    """What is streamed (files) has no limit, except errors, which the SDK reads as a whole."""

    def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
        """Raises EndlessReply."""
        reply = super().send(request, stream=True, **options)
        if stream and not reply.is_error:
            return reply
        try:
            content = b"".join(limited(reply.iter_bytes()))
        finally:
            reply.close()
        headers = [(name, value) for name, value in reply.headers.multi_items() if name not in _CODINGS]
        return type(reply)(
            reply.status_code,
            headers=headers,
            content=content,
            request=request,
            extensions=reply.extensions,
        )
