"""Certificates for tests/interop/test-clients: an authority, and what it has signed for servers and for a user."""

import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")  # id-on-xmppAddr, RFC 6120 section 13.7.1.4


def days(n):
    return datetime.datetime.utcnow() + datetime.timedelta(days=n)


def name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def dns(*names):
    return [x509.DNSName(n) for n in names]


def xmpp_address(jid):
    text = jid.encode()
    return [x509.OtherName(XMPP_ADDR, bytes([0x0C, len(text)]) + text)]  # a UTF8String in DER


class Authority:
    """Signs certificates and writes them into a directory; `ca_file` is its own. Without it being trusted, nobody should
    trust what it signs. (RSA: aioxmpp knows channel binding for no other signature.)"""

    def __init__(self, directory):
        self.directory = directory
        self.name = name("Jackdaw's tests")
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        builder = self.builder(self.name, self.key.public_key(), -2, 10)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.ca_file = self.write("authority.pem", builder.sign(self.key, hashes.SHA256()))

    def builder(self, subject, public_key, since, until):
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(days(since))
            .not_valid_after(days(until))
        )

    def write(self, file, thing):
        path = os.path.join(self.directory, file)
        with open(path, "wb") as f:
            f.write(thing.public_bytes(serialization.Encoding.PEM))
        return path

    def issue(self, file, names, until=10):
        """A certificate for these alternative names that ends in so many days; the paths of it and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self.builder(name(file), key.public_key(), -2, until)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        key_path = os.path.join(self.directory, f"{file}.key")
        with open(os.open(key_path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
            f.write(
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
        return self.write(f"{file}.pem", builder.sign(self.key, hashes.SHA256())), key_path
