"""Backend types: one row for each backend of the state, with all that other modules ask of a backend.

docs/state.md describes the backends.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ftops.core.sign_in import AZURE_SIGN_IN
from ftops.core.trusted_hosts import BLOB_STORAGE, S3, Service

LOCAL = "local"
"""The default backend."""
_ALL = ("history", "encryption", "plan_max_age", "approval_max_age")
_BUCKETS = ("lease", *_ALL)


class BackendType(Struct, frozen=True):
    """One backend of the state."""

    type: str
    addresses: Mapping[tuple[str, ...], Service]
    """The settings that say where credentials go, and to which service."""
    optional: tuple[str, ...]
    """The settings that a spec may set, other than `backend` and `path`."""
    required: tuple[str, ...] = ()
    """The settings that a spec must set."""
    signed_out: str = ""
    """What it means that no credentials were found."""
    sign_in: str = ""
    """How to sign in."""
    opens: str = ""
    """The function that opens its bucket: settings → (obstore's store, place for messages). Named as
    `module:object`, and loaded when it is first used. Empty if the state is in files of the project."""


BACKEND_TYPES: dict[str, BackendType] = {
    row.type: row
    for row in (
        BackendType(type=LOCAL, addresses={}, optional=_ALL),
        BackendType(
            type="azure_blob",
            addresses={("account_url",): BLOB_STORAGE},
            required=("account_url", "container"),
            signed_out="not signed in to Azure",
            sign_in=f"{AZURE_SIGN_IN}, or AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
            optional=_BUCKETS,
            opens="ftops.state.backends.bucket_services:open_azure",
        ),
        BackendType(
            type="s3",
            addresses={("endpoint_url",): S3},
            required=("bucket",),
            signed_out="no credentials for Amazon S3",
            sign_in="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in (`aws sso login`)",
            optional=("region", "endpoint_url", *_BUCKETS),
            opens="ftops.state.backends.bucket_services:open_s3",
        ),
        BackendType(
            type="gcs",
            addresses={},
            required=("bucket",),
            signed_out="not signed in to Google Cloud",
            sign_in="`gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
            optional=_BUCKETS,
            opens="ftops.state.backends.bucket_services:open_gcs",
        ),
    )
}
