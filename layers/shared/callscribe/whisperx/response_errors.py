"""Map error responses of the service to errors.

The status decides the class of the error, and so what happens to the recording. The body can make the message more
helpful; it changes the class only where a well-known text, the name of an option or a proxy's page shows that the
recording is not the cause. Nothing that the service wrote is copied into a message: it may repeat the API key, the file
name or what was said.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from callscribe.clock import utc_now
from callscribe.errors import ServiceUnavailable, TranscriptionError
from callscribe.recordings.recording import Failure
from callscribe.whisperx import Response
from callscribe.whisperx.authentication import requested_credentials
from callscribe.whisperx.error_tables import (
    AUTHENTICATION_FAILED,
    BY_STATUS_CLASS,
    DEFAULT_ERRORS,
    DETECTED_OPTIONS,
    FILE_FIELDS,
    HINTS,
    HTML_ERRORS,
    INVALID_OPTIONS,
    JOB_FAILED_MESSAGE,
    KNOWN_OPTIONS,
    OPTION_ERROR_CODES,
    PAYMENT_REQUIRED,
    POSSIBLE_CAUSES,
    PROXY_NAMES,
    QUOTA_USED_UP,
    SERVICE_ERROR,
    SETTINGS_AT_FAULT,
    UNNAMED_OPTION,
    ErrorMapping,
    ErrorTable,
)


def raise_for_status(response: Response, error_table: ErrorTable | None = None) -> Response:
    """The response itself, if its status means success.

    Raises: TranscriptionError, of the class for the status; a dialect's `error_table` takes precedence, and well-known
    texts for which the settings are to blame take precedence over both.
    """
    if response.is_success:
        return response
    mapping = {**DEFAULT_ERRORS, **(error_table or {})}.get(response.status)
    raise _to_error(response, mapping or BY_STATUS_CLASS.get(response.status // 100, SERVICE_ERROR))


def is_unexplained(error: TranscriptionError | Failure) -> bool:
    """Whether the server failed (5xx, or a failed job) without one of the causes in HINTS."""
    return error.message in (SERVICE_ERROR.message.format(error.status), JOB_FAILED_MESSAGE)


def hint(text: str) -> str:
    """What a well-known error text means, as a sentence to append to a message; empty for all others."""
    return next((f" {explanation}" for pattern, explanation, _ in HINTS if re.search(pattern, text)), "")


def _to_error(response: Response, mapping: ErrorMapping) -> TranscriptionError:
    text = response.body.decode(errors="replace")
    detail = str(response.status)
    if refined := _refine(response, text):
        mapping = refined
    elif not issubclass(mapping.error_type, ServiceUnavailable) and (names := _invalid_options(response)):
        mapping, detail = INVALID_OPTIONS, ", ".join(names)
    elif not issubclass(mapping.error_type, ServiceUnavailable) and _blames_an_option(response):
        mapping = UNNAMED_OPTION
    message = mapping.message.format(detail, f"{detail.partition(',')[0]}=")
    if explanation := hint(text):
        message = message.removesuffix(POSSIBLE_CAUSES) + explanation
    arguments: dict[str, Any] = {"code": mapping.code, "status": response.status}
    if issubclass(mapping.error_type, ServiceUnavailable):
        arguments["retry_after"] = _retry_after(response.headers)
    return mapping.error_type(message, **arguments)


def _refine(response: Response, text: str) -> ErrorMapping | None:
    """A mapping that says more than the one for the status; None if the body is not known."""
    if HTTPStatus.BAD_REQUEST <= response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        for pattern, known in ((QUOTA_USED_UP, PAYMENT_REQUIRED), *SETTINGS_AT_FAULT):
            if re.search(pattern, text):
                return known
    if credentials := requested_credentials(response.status, response.headers, response.body):
        return ErrorMapping(ServiceUnavailable, AUTHENTICATION_FAILED.code, credentials)
    is_of_proxy = is_html(response) or (
        response.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        and response.headers.get("Server", "").lower().startswith(PROXY_NAMES)
    )
    # a dialect's own meaning of the status is that of the server, which does not respond in HTML
    return HTML_ERRORS.get(response.status) if is_of_proxy else None


def is_html(response: Response) -> bool:
    """Whether the response is a page for browsers, which a proxy or another program writes."""
    text = response.body.decode(errors="replace").lstrip("\ufeff \t\r\n").lower()
    return "html" in response.content_type.lower() or text.startswith(("<!doctype html", "<html"))


def _invalid_options(response: Response) -> list[str]:
    """The names of the options that the server reports as invalid; empty unless each is known or was sent.

    Well-known texts are about one option. FastAPI lists the names under `detail`; others have one as `param` or
    `field`, within the error or at the top level. In a plain sentence, only names with an underscore that were sent
    count: others, such as `task`, are ordinary words.
    """
    sent = {_plain_name(name): name for name in response.sent_options}
    text = response.body.decode(errors="replace")
    if (option := next((option for pattern, _, option in HINTS if re.search(pattern, text)), None)) and (
        option in sent or option not in DETECTED_OPTIONS
    ):
        return [option]
    allowed = {name: name for name in KNOWN_OPTIONS} | sent
    try:
        document: Any = json.loads(response.body)
        names = set(_reported_options(document))
    except (ValueError, RecursionError, TypeError, LookupError, AttributeError):
        return []
    if not names and response.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
        words = re.findall(r"\w+", " ".join(_error_sentences(document)))
        names = {name for name in sent if "_" in name}.intersection(words)
    return sorted(allowed[name] for name in names) if names <= allowed.keys() - FILE_FIELDS else []


def _blames_an_option(response: Response) -> bool:
    """Whether the error code is about an option, but which one is not said."""
    try:
        document: Any = json.loads(response.body)
        error = document["error"] if isinstance(document.get("error"), Mapping) else document
        return not error.get("param") and str(error.get("code")).lower() in OPTION_ERROR_CODES
    except (ValueError, RecursionError, AttributeError):
        return False


def _reported_options(document: Any) -> Iterator[str]:
    """Raises: TypeError, LookupError, when the document has another form."""
    detail = document.get("detail")
    members = [each for each in (document.get("error"), detail, document) if isinstance(each, Mapping)]
    names = (each.get(name) for each in members for name in ("param", "field"))
    if name := next((name for name in names if isinstance(name, str)), None):
        yield _plain_name(name)
    if isinstance(detail, list):
        for each in detail:
            yield _plain_name(each["loc"][1])


def _error_sentences(document: Any) -> Iterator[str]:
    """The texts in which servers describe an error."""
    for each in (document, document.get("error"), document.get("detail")):
        if isinstance(each, str):
            yield each
        elif isinstance(each, Mapping):
            yield from (each[name] for name in ("message", "detail", "error") if isinstance(each.get(name), str))


def _plain_name(name: str) -> str:
    """The name as servers spell it in forms, without a path or an index: `response_format` for `body.responseFormat`
    or `response-format`, `timestamp_granularities` for `timestamp_granularities.0`."""
    name = re.sub(r"^(\$\.?)?((body|query|form|params?)\.)?", "", name.strip())
    name = re.split(r"[\[.]", name, maxsplit=1)[0]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds. The header holds seconds or a date (RFC 9110, 10.2.3); a date is relative to the service's own clock,
    if the response has a Date."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        date = _parse_date(value)
    if date is None:
        return None
    return max(0.0, (date - (_parse_date(headers.get("Date", "")) or utc_now())).total_seconds())


def _parse_date(text: str) -> datetime | None:
    """An HTTP date, which is always in GMT; None for anything else."""
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
