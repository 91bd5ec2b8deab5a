"""Certificate of the server for HTTPS, from a certificate authority that is made for one folder.

The authority signs once, and its key is never written. It is limited to 127.0.0.1 and localhost, so that
trusting it allows nobody to pose as another host. A folder that is a copy gets an authority of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from ftops.emulator.account.storage import replace_text

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

AUTHORITY = "ca.pem"
_SERVER = "server.pem"
_ADDRESS, _NAME = "127.0.0.1", "localhost"
_VALID = timedelta(days=390)  # some clients accept no more than 398
_RENEWED_BEFORE = timedelta(days=30)
_SKEW = timedelta(days=1)


def server_certificate(folder: Path, owner: str) -> Path:
    """The file with the certificate of the server, its authority and the server's key.

    The authority is also in ``ca.pem``, for clients. ``owner`` identifies the folder: certificates of another
    folder are replaced, like those that expire soon.
    """
    path = folder / _SERVER
    if not _is_valid(path, owner):
        replace_text(path, _made(owner))
    authority = path.read_text("ascii").split("-----END CERTIFICATE-----\n")[1]
    replace_text(folder / AUTHORITY, f"{authority}-----END CERTIFICATE-----\n")
    return path


def _is_valid(path: Path, owner: str) -> bool:
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    soon = datetime.now(UTC) + _RENEWED_BEFORE
    return len(found) == 2 and found[1].subject == _subject(owner) and found[0].not_valid_after_utc > soon


def _made(owner: str) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    certificates = (
        _signed(_server_extensions(), server.public_key(), _subject("server"), authority, owner),
        _signed(_authority_extensions(), authority.public_key(), _subject(owner), authority, owner),
    )
    key = server.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return b"".join([*(one.public_bytes(Encoding.PEM) for one in certificates), key]).decode("ascii")


def _signed(
    extensions: list[tuple[x509.ExtensionType, bool]],
    public: EllipticCurvePublicKey,
    subject: x509.Name,
    authority: EllipticCurvePrivateKey,
    owner: str,
) -> x509.Certificate:
    """A certificate for ``public``. The extensions come with whether they are critical."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(_subject(owner))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False
        )
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(authority, SHA256())


def _subject(name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"ftops emulator {name}")])


def _authority_extensions() -> list[tuple[x509.ExtensionType, bool]]:
    from cryptography import x509

    permitted = [x509.DNSName(_NAME), x509.IPAddress(ip_network(f"{_ADDRESS}/32"))]
    return [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_key_usage(signs_certificates=True), True),
        (x509.NameConstraints(permitted, None), True),
    ]


def _server_extensions() -> list[tuple[x509.ExtensionType, bool]]:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    names = [x509.DNSName(_NAME), x509.IPAddress(ip_address(_ADDRESS))]
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName(names), False),
    ]


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
