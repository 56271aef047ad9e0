"""An authority of a test, and a certificate of this machine that it has signed."""

import datetime
import ipaddress
import uuid
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_HOUR = datetime.timedelta(hours=1)


class Certificate(NamedTuple):
    """Files in PEM form."""

    authority: Path  # the certificate that a client trusts
    certificate: Path  # of localhost and 127.0.0.1
    key: Path  # of that certificate; only its owner may read it


def make(folder: Path) -> Certificate:
    """Write a certificate of a new authority into a folder. It is valid for an hour."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer, subject = _name(f"authority {uuid.uuid4()}"), _name("localhost")
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    authority = (
        _begin(issuer, issuer, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _begin(subject, issuer, key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    files = Certificate(*(folder / name for name in ("authority.pem", "certificate.pem", "key.pem")))
    coded = serialization.Encoding.PEM
    files.authority.write_bytes(authority.public_bytes(coded))
    files.certificate.write_bytes(certificate.public_bytes(coded))
    files.key.touch(mode=0o600)
    files.key.write_bytes(
        key.private_bytes(coded, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _begin(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _HOUR,
        not_valid_after=now + _HOUR,
    )
