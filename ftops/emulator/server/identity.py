"""Endpoints that need no token: tokens of a managed identity and of a tenant, assertions of a CI runner, and
where to find these.

* ``GET /msi/token``: App Service's managed-identity endpoint (2019-08-01), for IDENTITY_ENDPOINT;
* ``POST /{tenant}/oauth2/v2.0/token``: client credentials by secret or by federated assertion;
* ``GET /oidc/token``: as the endpoint in GitHub's ACTIONS_ID_TOKEN_REQUEST_URL;
* ``GET /metadata/endpoints``: from it, ``az cloud register`` and other tools learn where everything is.

azure-identity uses the second one over https only.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import Cloud, Principal
from ftops.emulator.http.auth import ARM_AUDIENCES, OWNER, TOKEN_SECONDS, Credentials
from ftops.emulator.http.errors import ServiceError
from ftops.emulator.http.messages import read_body, reply

Issue = Callable[[Cloud, Credentials, Request], Awaitable[Response]]
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM_BYTES = 64 * 1024
_FIELDS = 50
EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"


def issuer_of(method: str, path: str) -> Issue | None:
    """The handler of a token endpoint, if this is one."""
    rows = (issue for verb, pattern, issue in _ISSUERS if verb == method and pattern.fullmatch(path))
    return next(rows, None)


async def _managed_identity(cloud: Cloud, credentials: Credentials, request: Request) -> Response:
    if not credentials.knows_key(request.headers.get("x-identity-header")):
        raise ServiceError(401, "unauthorized_client", "X-IDENTITY-HEADER is missing or wrong.")
    query = request.query_params
    resource = query.get("resource")
    if not resource:
        raise ServiceError(400, "invalid_request", "The parameter 'resource' is required.")
    client = next((query[name] for name in ("client_id", "object_id", "principal_id") if name in query), None)
    if client is not None and cloud.principals.get(client) is None:
        message = "No User Assigned or Delegated Managed Identity found for specified ClientId."
        return reply({"statusCode": 400, "message": message}, 400)
    return reply(credentials.token(resource, client or OWNER))


async def _client_credentials(cloud: Cloud, credentials: Credentials, request: Request) -> Response:
    body = await read_body(request, _FORM_BYTES)
    try:
        fields = parse_qs(body.decode(), max_num_fields=_FIELDS)
    except ValueError as exc:
        raise ServiceError(400, "invalid_request", f"The body is not a form: {exc}.") from exc
    form = {key: values[0] for key, values in fields.items()}
    principal = cloud.principals.get(form.get("client_id", ""))
    if principal is None:
        return _refused("unauthorized_client", "AADSTS700016: Application was not found in the directory.")
    if problem := _credential_problem(credentials, principal, form):
        return _refused("invalid_client", problem)
    audience = form.get("scope", "").split(" ")[0].removesuffix("/.default")
    token = credentials.token(audience, principal.id)["access_token"]
    times = {"expires_in": TOKEN_SECONDS, "ext_expires_in": TOKEN_SECONDS}
    return reply({"token_type": "Bearer", **times, "access_token": token})


def _credential_problem(credentials: Credentials, principal: Principal, form: dict[str, str]) -> str | None:
    """Why a client's assertion or secret is not accepted."""
    if form.get("client_assertion_type") == _ASSERTION:
        subject = credentials.subject(form.get("client_assertion", ""), EXCHANGE_AUDIENCE)
        if subject is not None and subject == principal.subject:
            return None
        return "AADSTS70021: No matching federated identity record found for presented assertion."
    secret = form.get("client_secret", "")
    if principal.secret is not None and hmac.compare_digest(secret.encode(), principal.secret.encode()):
        return None
    return "AADSTS7000215: Invalid client secret provided."


def _refused(error: str, description: str) -> Response:
    return reply({"error": error, "error_description": description}, 401)


async def _discovery(_: Cloud, __: Credentials, request: Request) -> Response:
    """GET /{tenant}/v2.0/.well-known/openid-configuration, which MSAL reads first, with what it requires."""
    tenant = request.url.path.split("/")[1]
    authority = f"https://{request.url.netloc}/{tenant}"
    return reply(
        {
            "issuer": f"{authority}/v2.0",
            "token_endpoint": f"{authority}/oauth2/v2.0/token",
            "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
            "jwks_uri": f"{authority}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
    )


async def _keys(_: Cloud, __: Credentials, ___: Request) -> Response:
    """GET /{tenant}/discovery/v2.0/keys: none, as only the emulator can check its own tokens."""
    return reply({"keys": []})


async def _endpoints(_: Cloud, __: Credentials, request: Request) -> Response:
    """The endpoints of the cloud; a list of clouds with versions before 2022."""
    version, origin = request.query_params.get("api-version", ""), str(request.base_url).rstrip("/")
    if not version:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise ServiceError(400, "MissingApiVersionParameter", message)
    cloud = {
        "name": "Emulator",
        "portal": origin,
        "resourceManager": f"{origin}/",
        "authentication": {
            "loginEndpoint": origin,
            "audiences": [ARM_AUDIENCES[0], ARM_AUDIENCES[2]],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "suffixes": {},
    }
    return reply(cloud if version >= "2022" else [cloud])


async def _oidc_token(_: Cloud, credentials: Credentials, request: Request) -> Response:
    """GET /oidc/token?audience=&subject=: the request token is the account's key."""
    bearer = request.headers.get("authorization", "").partition(" ")[2]
    if not credentials.knows_key(bearer):
        raise ServiceError(401, "Unauthorized", "The request token is missing or wrong.")
    audience = request.query_params.get("audience", EXCHANGE_AUDIENCE)
    subject = request.query_params.get("subject", "repo:example/models:ref:refs/heads/main")
    return reply({"value": credentials.assertion(subject, audience)})


_ISSUERS: tuple[tuple[str, re.Pattern[str], Issue], ...] = (
    ("GET", re.compile("/msi/token"), _managed_identity),
    ("GET", re.compile("/oidc/token"), _oidc_token),
    ("GET", re.compile("/metadata/endpoints", re.IGNORECASE), _endpoints),
    ("POST", re.compile("/[^/]+/oauth2/v2.0/token"), _client_credentials),
    ("GET", re.compile("/[^/]+/discovery/v2.0/keys"), _keys),
    ("GET", re.compile(r"/[^/]+/v2.0/\.well-known/openid-configuration"), _discovery),
)
