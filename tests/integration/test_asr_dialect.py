"""The `asr` dialect over real HTTP: what is sent, and which error each response or failure becomes."""

import ssl
import threading
import time
import tracemalloc
from contextlib import suppress

import pytest

from callscribe.errors import ConfigurationError, PermanentError, RetryableError, ServiceUnavailable
from callscribe.settings.whisperx import Credentials, WhisperXSettings
from callscribe.whisperx import Timeouts, connect
from tests.integration.audio import Bytes, parts
from tests.integration.socket_servers import certificate_of, read_request, self_signed, server
from tests.integration.timeouts import LONG_TIMEOUTS, SHORT_TIMEOUTS

SECRET = "k3y-that-stays-here"


def send(url, audio=None, name="abc.wav", key=SECRET, timeouts=LONG_TIMEOUTS, **settings):
    dialect = connect(WhisperXSettings(whisperx_url=url, **settings), Credentials(key))
    return dialect.send(audio or Bytes(1000), name, timeouts)


def test_audio_is_sent_as_a_form_field_and_options_in_the_query(service):
    transcript = send(f"{service.url}/", whisperx_language="en", whisperx_diarize=True)
    (received,) = service.received
    assert transcript.text == "hello there"
    assert (received.method, received.path) == ("POST", "/asr")
    assert received.query == {
        "task": ["transcribe"],
        "output": ["json"],
        "word_timestamps": ["true"],
        "vad_filter": ["true"],
        "language": ["en"],
        "diarize": ["true"],
    }
    assert received.headers["authorization"] == f"Bearer {SECRET}"
    assert int(received.headers["content-length"]) == len(received.body)
    (part,) = parts(received)
    assert part.get_param("name", header="content-disposition") == "audio_file"
    assert part.get_filename() == "abc.wav"
    assert part.get_content_type() in ("audio/wav", "audio/x-wav")
    assert part.get_payload(decode=True) == b"a" * 1000


def test_unset_key_and_options_are_not_sent(service):
    send(service.url, key="")
    (received,) = service.received
    assert "authorization" not in received.headers
    assert not {"language", "diarize"} & received.query.keys()


def test_custom_options_are_sent_in_the_query_and_take_precedence(service):
    send(service.url, whisperx_model="large-v3", whisperx_options="vad_filter=false&task=translate&hotwords=")
    assert service.received[0].query == {
        "output": ["json"],
        "word_timestamps": ["true"],
        "vad_filter": ["false"],
        "task": ["translate"],
    }


def test_empty_option_leaves_out_the_default(service):
    send(service.url, whisperx_options="word_timestamps=&task=")
    assert service.received[0].query.keys() == {"output", "vad_filter"}


VAD_FILTER_REFUSED = (
    b'{"detail": [{"type": "extra_forbidden", "loc": ["query", "vad_filter"], "msg": "x", "input": "true"}]}'
)


@pytest.mark.parametrize(("status", "body"), [(422, VAD_FILTER_REFUSED), (400, b"unknown option: vad_filter")])
def test_server_that_does_not_know_vad_filter_costs_no_attempt_and_gets_it_no_more(service, reply, status, body):
    service.replies = [reply(status=status, body=body), reply()]
    url = f"{service.url}/{status}"
    with pytest.raises(ServiceUnavailable, match="vad_filter") as raised:
        send(url)
    assert raised.value.code == "invalid_options"
    assert send(url).text == "hello there"
    assert ["vad_filter" in request.query for request in service.received] == [True, False]


def test_refused_value_of_the_user_is_still_sent(service, reply):
    service.replies = [reply(status=422, body=VAD_FILTER_REFUSED)]
    for _ in range(2):
        with pytest.raises(ServiceUnavailable):
            send(f"{service.url}/own", whisperx_options="vad_filter=maybe")
    assert all(request.query["vad_filter"] == ["maybe"] for request in service.received)


@pytest.mark.parametrize("name", ["a b.mp3", 'quo"te.wav', "ü.wav", "line\nbreak.wav", "no-extension"])
def test_unusual_file_names_do_not_break_the_body(service, name):
    send(service.url, name=name)
    (part,) = parts(service.received[0])
    assert part.get_payload(decode=True) == b"a" * 1000


@pytest.mark.parametrize(
    ("status", "error_type", "code"),
    [
        (401, ServiceUnavailable, "authentication_failed"),
        (403, ServiceUnavailable, "authentication_failed"),
        (404, ServiceUnavailable, "endpoint_not_found"),
        (405, ServiceUnavailable, "endpoint_not_found"),
        (429, ServiceUnavailable, "service_busy"),
        (502, ServiceUnavailable, "service_down"),
        (521, ServiceUnavailable, "service_down"),
        (522, ServiceUnavailable, "service_down"),
        (523, ServiceUnavailable, "service_down"),
        (530, ServiceUnavailable, "service_down"),
        (503, ServiceUnavailable, "service_busy"),
        (500, RetryableError, "service_error"),
        (408, RetryableError, "timeout"),
        (504, RetryableError, "gateway_timeout"),
        (599, RetryableError, "service_error"),
        (400, PermanentError, "request_rejected"),
        (413, PermanentError, "too_large"),
        (415, PermanentError, "not_audio"),
        (422, PermanentError, "request_rejected"),
    ],
)
def test_each_status_maps_to_an_error_class_and_code(service, reply, status, error_type, code):
    service.replies = [reply(status=status, body=b"Internal Server Error")]
    with pytest.raises(error_type) as raised:
        send(service.url)
    assert raised.value.code == code
    assert str(status) in raised.value.message
    assert raised.value.status == status
    assert SECRET not in raised.value.message


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("17", 17.0),
        (" 2.5 ", 2.5),
        ("-3", 0.0),
        ("", None),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("9" * 400, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 60.0),
        ("Wed, 21 Oct 2026 07:26:00 GMT", 0.0),
        ("Wednesday, 21-Oct-26 07:28:00 GMT", 60.0),
        ("21 Oct 2015 99999999999999999999:28:00 GMT", None),
    ],
)
def test_retry_after_may_be_seconds_or_a_date(service, reply, header, seconds):
    headers = {"Retry-After": header, "Date": "Wed, 21 Oct 2026 07:27:00 GMT"}
    service.replies = [reply(status=503, headers=headers)]
    with pytest.raises(ServiceUnavailable) as raised:
        send(service.url)
    assert raised.value.retry_after == seconds


def test_refused_connection_is_an_outage():
    with pytest.raises(ServiceUnavailable, match="Connection refused"):
        send("http://127.0.0.1:9")


def test_unresolvable_host_name_is_an_outage():
    with pytest.raises(ServiceUnavailable, match="No connection"):
        send("http://whisperx.invalid:9000")


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "ü" * 70])
def test_invalid_host_name_does_not_consume_an_attempt(host):
    with pytest.raises(ServiceUnavailable):
        send(f"http://{host}:9000")


@pytest.mark.parametrize("is_trusted", [True, False])
def test_tls_failure_is_an_outage_before_the_upload_and_a_failed_attempt_after_it(tmp_path, is_trusted):
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def break_tls(connection):
        with (
            suppress(OSError),
            connection.dup() as tcp_connection,
            context.wrap_socket(connection, server_side=True) as tls_connection,
        ):
            read_request(tls_connection)
            tcp_connection.sendall(b"not a TLS record")

    ca_certificate = certificate_of(certificate) if is_trusted else ""
    with server(break_tls) as url, pytest.raises(RetryableError if is_trusted else ServiceUnavailable):
        send(url.replace("http:", "https:"), whisperx_ca_certificate=ca_certificate)


def test_https_url_for_a_plain_http_server_is_an_outage(service):
    with pytest.raises(ServiceUnavailable, match="No connection"):
        send(service.url.replace("http:", "https:"))


def test_audio_that_becomes_shorter_during_the_upload_is_a_failed_attempt(service):
    with pytest.raises(RetryableError, match="shorter"):
        send(service.url, Bytes(100_000, available=50_000))


SILENCE = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\n{"segments": []}'


def test_client_waits_while_the_server_finishes_its_previous_job():
    """Usual for these servers, and longer than the connect timeout."""

    connect_seconds = 0.2

    def busy(connection):
        time.sleep(3 * connect_seconds)
        read_request(connection)
        connection.sendall(SILENCE)

    with server(busy) as url:
        dialect = connect(WhisperXSettings(whisperx_url=url), Credentials())
        transcript = dialect.send(Bytes(20 * 1024 * 1024), "a.wav", Timeouts(connect_seconds, LONG_TIMEOUTS.total))
    assert transcript.segments == ()


def test_server_that_reads_too_slowly_is_a_failed_attempt():
    client_gave_up = threading.Event()

    def slow(connection):
        while not client_gave_up.wait(0.1):
            connection.recv(1024)

    with server(slow) as url:
        try:
            with pytest.raises(RetryableError) as raised:
                send(url, Bytes(50 * 1024 * 1024), timeouts=SHORT_TIMEOUTS)
        finally:
            client_gave_up.set()
    assert raised.value.code == "timeout"


def test_memory_does_not_grow_with_the_audio():
    def swallow(connection):
        read_request(connection)
        connection.sendall(SILENCE)

    with server(swallow) as url:
        dialect = connect(WhisperXSettings(whisperx_url=url), Credentials())
        tracemalloc.start()
        transcript = dialect.send(Bytes(64 * 1024 * 1024), "a.wav", LONG_TIMEOUTS)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert transcript.segments == ()
    assert peak < 4 * 1024 * 1024


def test_unknown_dialect_is_rejected_with_the_known_ones():
    with pytest.raises(ConfigurationError, match="asr"):
        connect(WhisperXSettings(whisperx_url="http://host", whisperx_dialect="esperanto"), Credentials())
