"""Tables: which error an HTTP status means, which texts of servers are well known, and which options servers have.

Data only; `response_errors` applies it. Sources: RFC 9110 and the manuals of nginx, AWS load balancers and Cloudflare.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from callscribe.errors import (
    BadGateway,
    PermanentError,
    RetryableError,
    ServiceUnavailable,
    SuspectedOutage,
    TranscriptionError,
)


@dataclass(frozen=True, slots=True)
class ErrorMapping:
    """The error for a response: its class, its code, and its message, in which {} is the HTTP status."""

    error_type: type[TranscriptionError]
    code: str
    message: str


type ErrorTable = Mapping[int, ErrorMapping]
"""By HTTP status. A dialect has one for the statuses that it uses differently from DEFAULT_ERRORS."""

MISSING_ROUTE_STATUSES = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
"""The server does not have the requested route."""


def _wrong_settings(message: str) -> ErrorMapping:
    """A refusal that the settings of Callscribe, a proxy or the server cause, whatever the recording is."""
    return ErrorMapping(SuspectedOutage, SuspectedOutage.code, message)


AUTHENTICATION_FAILED = ErrorMapping(
    ServiceUnavailable,
    "authentication_failed",
    "The WhisperX server rejected the API key ({}), or requires one and none is set. Set the right API key, or the "
    "header that this server requires instead.",
)
ENDPOINT_NOT_FOUND = ErrorMapping(
    ServiceUnavailable,
    "endpoint_not_found",
    "The WhisperX server has no such route ({}). Correct the server URL or the dialect.",
)
BAD_GATEWAY = ErrorMapping(
    BadGateway,
    BadGateway.code,
    "A proxy reports that the WhisperX server is down ({}). Start it, or correct the server URL.",
)
UNREACHABLE = ErrorMapping(
    ServiceUnavailable,
    BadGateway.code,
    "Cloudflare reports that it cannot reach the WhisperX server ({}). Start it, or correct its address at Cloudflare.",
)
TLS_BEHIND_PROXY_FAILED = ErrorMapping(
    ServiceUnavailable,
    BadGateway.code,
    "Cloudflare reports that TLS between it and the WhisperX server fails ({}): the server's certificate is missing, "
    "expired or not trusted. Renew it, or correct the encryption mode at Cloudflare.",
)
SERVICE_BUSY = ErrorMapping(
    ServiceUnavailable,
    "service_busy",
    "The WhisperX server or a proxy reports that it is overloaded or not ready, or that it limits the rate of requests "
    "({}). Recordings are sent again later. If this lasts, look at the server, or lower MaxConcurrentTranscriptions.",
)
PAYMENT_REQUIRED = ErrorMapping(
    ServiceUnavailable,
    "payment_required",
    "The transcription service reports that your credit or quota is used up ({}). Add credit, or raise the quota.",
)
PROXY_GAVE_UP = ErrorMapping(
    RetryableError,
    "gateway_timeout",
    "A proxy gave up waiting for the WhisperX server ({}), usually after 60 seconds (nginx, AWS load balancers) or 100 "
    "(Cloudflare). The server may still be working on the recording. Raise the proxy's limit for waiting, connect to "
    "the server directly, or use a server with jobs (dialect tasks).",
)
CLIENT_CERTIFICATE_REQUIRED = _wrong_settings(
    "The server or its proxy requires a client certificate ({}), which Callscribe does not have. Let the proxy accept "
    "requests without one, for example with an API key."
)
HTTPS_REQUIRED = _wrong_settings("The port requires https ({}): the server URL must begin with https://.")
BAD_REQUEST_PAGE = _wrong_settings(
    "A proxy rejects the request with a page for browsers, whatever the recording is ({}). Often it requires a client "
    "certificate, or https instead of http. Check the server URL, and the settings and the log of the proxy."
)
REQUEST_NOT_ALLOWED = _wrong_settings(
    "The server or its proxy rejects the request whatever the recording is ({}). Check the server URL and the settings "
    "of the proxy."
)
FIREWALL = _wrong_settings(
    "A proxy or web application firewall rejects the request with a page for browsers ({}). Allow requests from "
    "Callscribe there, and check the server URL and the API key."
)
PAGE_FOR_BROWSERS = _wrong_settings(
    "A page for browsers came instead of a transcript ({}): a sign-in page, a proxy's error page, or another program "
    "at this URL. Check the server URL, and what a proxy in front of the server requires."
)
INCOMPLETE_RESPONSE = ErrorMapping(RetryableError, "invalid_response", "The response is incomplete ({}).")

DEFAULT_ERRORS: ErrorTable = {
    206: INCOMPLETE_RESPONSE,
    401: AUTHENTICATION_FAILED,
    402: PAYMENT_REQUIRED,
    403: AUTHENTICATION_FAILED,
    404: ENDPOINT_NOT_FOUND,
    405: ENDPOINT_NOT_FOUND,
    407: ErrorMapping(ServiceUnavailable, "authentication_failed", "A proxy requires authentication ({})."),
    408: ErrorMapping(RetryableError, "timeout", "The WhisperX server stopped waiting for the audio ({})."),
    410: ENDPOINT_NOT_FOUND,
    413: ErrorMapping(PermanentError, "too_large", "The audio exceeds the size limit of the WhisperX server ({})."),
    415: ErrorMapping(PermanentError, "not_audio", "The WhisperX server does not accept this kind of audio ({})."),
    # about the request itself: its method, headers, length, host or protocol
    **dict.fromkeys((406, 411, 412, 414, 417, 421, 426, 428, 431, 451, 494, 505, 510, 511), REQUEST_NOT_ALLOWED),
    **dict.fromkeys((420, 423, 425, 429, 498, 503, 507, 509, 529), SERVICE_BUSY),
    **dict.fromkeys((440, 561), AUTHENTICATION_FAILED),  # sign-in pages of IIS and AWS load balancers
    **dict.fromkeys((463, 464), REQUEST_NOT_ALLOWED),  # AWS load balancers: too many addresses, another protocol
    **dict.fromkeys((460, 499), PROXY_GAVE_UP),  # a proxy says that the client in front of it went away
    **dict.fromkeys((495, 496), CLIENT_CERTIFICATE_REQUIRED),
    497: HTTPS_REQUIRED,
    502: BAD_GATEWAY,
    # 520: the server closed the connection without a response, which Cloudflare reports like that
    **dict.fromkeys((504, 520, 524, 598), PROXY_GAVE_UP),
    521: BAD_GATEWAY,
    **dict.fromkeys((522, 523, 530), UNREACHABLE),
    **dict.fromkeys((525, 526, 527), TLS_BEHIND_PROXY_FAILED),
}
"""With the class ServiceUnavailable, the service did not try the audio; with BadGateway, it may have crashed on it. A
missing route is an error of the configuration, not of the recording.

A proxy that gave up waiting counts as a failed attempt: a long recording would meet the same limit again, and must not
hold up the queue for ever."""

POSSIBLE_CAUSES = (
    " Some servers respond like this to audio that they cannot decode, or to a language or model that they do not have."
)
"""Left out of the message if the body has one of HINTS."""
SERVICE_ERROR = ErrorMapping(RetryableError, "service_error", f"The WhisperX server failed ({{}}).{POSSIBLE_CAUSES}")
JOB_FAILED_MESSAGE = "The WhisperX server accepted the audio, but its job failed."

BY_STATUS_CLASS: ErrorTable = {
    1: INCOMPLETE_RESPONSE,
    3: ErrorMapping(
        ServiceUnavailable,
        "endpoint_not_found",
        "The server URL redirects ({}), often from http to https. Set it to the target of the redirect.",
    ),
    4: ErrorMapping(PermanentError, "request_rejected", "The WhisperX server rejected the request ({}). See its log."),
}
"""For statuses that are in no table, by their first digit; SERVICE_ERROR for all others."""

HTML_ERRORS: ErrorTable = {
    400: BAD_REQUEST_PAGE,
    403: FIREWALL,
    413: ErrorMapping(
        PermanentError,
        "too_large",
        "A proxy in front of the WhisperX server accepts only smaller requests ({}). Raise its limit, which is 1 MB "
        "for nginx (client_max_body_size), 10 MB for Amazon API Gateway and 100 MB for Cloudflare, then retry.",
    ),
}
"""For responses in HTML, which a proxy writes: the servers themselves respond in JSON or plain text."""

PROXY_NAMES = ("nginx", "openresty", "cloudflare", "awselb", "caddy", "apache", "traefik", "envoy", "amazon", "haproxy")
"""Beginnings of the header `Server` of a proxy."""

QUOTA_USED_UP = (
    "(?i)insufficient[ _](?:quota|credits?|balance|funds)|billing_(?:hard_limit_reached|not_active)|"
    "exceeded your current quota|quota[ _](?:limit[ _])?exceeded|payment[ _]required|credit balance is too low"
)
"""Error codes and texts of commercial services."""

SETTINGS_AT_FAULT: tuple[tuple[str, ErrorMapping], ...] = (
    (
        "(?i)HTTP request was sent to HTTPS|HTTP request to an HTTPS|plain HTTP to an SSL-enabled|port requires TLS",
        HTTPS_REQUIRED,
    ),
    ("(?i)No required SSL certificate was sent|The SSL certificate error", CLIENT_CERTIFICATE_REQUIRED),
    (
        "(?i)invalid host header|invalid HTTP_HOST header",
        _wrong_settings("The server does not accept the host name of the server URL ({}). Allow it in the server."),
    ),
    ("(?i)invalid HTTP request received", REQUEST_NOT_ALLOWED),
    (
        "(?i)unsupported_country|country, region, or territory not supported|not available in your (country|region)",
        _wrong_settings(
            "The service does not serve the country or region that the requests come from ({}). Deploy Callscribe in "
            "an AWS Region that it serves, or use another service."
        ),
    ),
    (
        r"(?i)\bip[_ ](address )?(is )?not[_ ](authorized|allowed)|\bip allow-?list|virtual network/firewall rules",
        _wrong_settings(
            "The service does not accept requests from this IP address ({}). Add the public address of Callscribe, "
            "that of the NAT gateway in a VPC, to the list of allowed addresses."
        ),
    ),
    (
        "(?i)(not have access|not authorized to access) (to )?(the )?model|model_permission_blocked",
        ErrorMapping(
            SuspectedOutage,
            "invalid_options",
            "The API key may not use this model ({}). Correct the model, or allow it for the key at the service.",
        ),
    ),
    (
        "(?i)insufficient permissions|missing scopes",
        ErrorMapping(
            ServiceUnavailable,
            AUTHENTICATION_FAILED.code,
            "The API key lacks a permission ({}). Give it the permission to transcribe, or set another API key.",
        ),
    ),
)
"""Well-known texts of servers, proxies and commercial services, for which the recording cannot be the cause."""

NO_GPU = "(?i)no CUDA-capable device|CUDA driver version is insufficient|found no NVIDIA driver|not compiled with CUDA"
HINTS = (
    (NO_GPU, "The server has no usable GPU: set device=cpu&compute_type=int8 in the additional options.", "device"),
    ("(?i)out of memory", "Its GPU ran out of memory: use a smaller model or batch_size.", None),
    (
        "(?i)not a valid language code|unsupported language|no default align-?model",
        "It does not know this language: correct the language.",
        "language",
    ),
    (
        "AUDIO_PROCESSING_ERROR|(?i:invalid data found when processing|failed to load audio)",
        "It could not decode the audio.",
        None,
    ),
    ("(?i)invalid file extension|unsupported file (type|format)", "It does not accept this file extension.", None),
    ("(?i)model not found|unknown model|invalid model", "It does not have this model: correct the model.", "model"),
    (
        "(?i)compute type|float16",
        "It does not support this compute type: set compute_type=int8 in the additional options.",
        "compute_type",
    ),
    (
        "'NoneType' object has no attribute 'to'|(?i:access gated repo|hf.co/pyannote)",
        "It cannot download its diarization model: give it an HF_TOKEN whose owner has accepted the model's terms.",
        None,
    ),
)
"""Well-known error texts of servers, what they mean, and the option that they are about."""

DETECTED_OPTIONS = {"language"}
"""If such an option was not sent, the server derives it from the audio, so an error about it may be the recording's."""

INVALID_OPTIONS = ErrorMapping(
    SuspectedOutage,
    "invalid_options",
    "The WhisperX server does not accept an option or its value ({0}). Correct it in the settings. To leave "
    "it out, write it without a value in the additional options: {1}",
)
"""Here {0} is the names of the options, and {1} the first one with an equals sign."""
UNNAMED_OPTION = ErrorMapping(
    SuspectedOutage,
    INVALID_OPTIONS.code,
    "The WhisperX server does not accept an option or its value, but does not say which ({0}). Correct the model, the "
    "language or the additional options. To leave an option out, write it there without a value: response_format=",
)
OPTION_ERROR_CODES = {
    *("unsupported_value", "unsupported_parameter", "unknown_parameter", "invalid_parameter", "unrecognized_parameter"),
    *(
        "model_not_found",
        "invalid_model",
        "unsupported_model",
        "invalid_response_format",
        "unsupported_response_format",
    ),
    *("invalid_language", "unsupported_language"),
}
"""Values of `error.code` that blame an option, in lower case, unless `error.param` names the file or something else."""

KNOWN_OPTION_NAMES = (
    "align align_model async batch_size beam_size best_of chunk_size chunk_length compression_ratio_threshold "
    "compute_type device device_index diarize diarize_model encode enable_alignment hf_token hotwords initial_prompt "
    "interpolate_method language length_penalty log_prob_threshold max_speakers min_speakers model "
    "no_speech_threshold num_speakers output output_format patience prompt response_format return_char_alignments "
    "speaker_embeddings stream suppress_numerals suppress_tokens task temperature temperatures threads "
    "timestamp_granularities translate vad_filter vad_offset vad_onset word_timestamps"
)
KNOWN_OPTIONS = frozenset(KNOWN_OPTION_NAMES.split())
"""The options of the supported servers. A message may repeat these names and those that were sent, and nothing else
that a server wrote."""

FILE_FIELDS = {"file", "audio_file"}
