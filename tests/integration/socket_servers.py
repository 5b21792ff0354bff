"""Servers on raw sockets, for behaviour that HTTP servers do not have, and certificates for them."""

import select
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from testing.waiting import LIMIT_SECONDS


@contextmanager
def server(serve, *, connections=1):
    """Pass up to `connections` connections to `serve`, one after another, until the block ends. Yields the URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        for _ in range(connections):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                serve(connection)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def has_hung_up(connection, seconds=0.0):
    """Whether the client closes the connection within `seconds`, even with data left unread."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(seconds * 1000))


def wait_for_hang_up(connection):
    """Wait until the client closes the connection. Raises: AssertionError, when it never does."""
    assert has_hung_up(connection, LIMIT_SECONDS), "the client did not hang up"


def read_request(connection):
    """Read a whole request, and return its first line."""
    with connection.makefile("rb") as stream:
        first, length = stream.readline(), 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while length:
            length -= len(stream.read(min(length, 65536)))
    return first.decode()


def self_signed(folder, *, days=1, address="127.0.0.1"):
    """Write a key and a certificate for an address into a file. The certificate is valid for `days` from yesterday."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whisperx")])
    start = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))]), critical=False)
        .sign(key, SHA256())
    )
    file = folder / f"certificate-{address}-{days}.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    return file


def tls_server(file, body=b'{"paths": {"/asr": {}}}'):
    """A function for `server` that responds to one request over TLS, with the key and the certificate in a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    def serve(connection):
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as tls_connection:
            read_request(tls_connection)
            tls_connection.sendall(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )

    return serve


def private_authority(folder, *, address="127.0.0.1"):
    """Write the certificate of an authority, and a key with a certificate that it signed, into two files.

    As people make them: they lack extensions that RFC 5280 requires.
    """
    start, end = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Authority of {folder.name}"[:64])])
    authority = x509.CertificateBuilder(authority_name, authority_name, authority_key.public_key(), 1, start, end)
    authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=False)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whisperx")])
    certificate = (
        x509.CertificateBuilder(authority_name, name, key.public_key(), 2, start, end)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))]), critical=False)
        .sign(authority_key, SHA256())
    )
    authority_file, file = folder / "authority.pem", folder / "signed.pem"
    authority_file.write_bytes(authority.sign(authority_key, SHA256()).public_bytes(Encoding.PEM))
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    return authority_file, file


def certificate_of(file):
    """The certificate in a file that also holds its key, in PEM format."""
    text = file.read_text()
    return text[text.index("-----BEGIN CERTIFICATE") :]
