"""What the dialects share: request options, the multipart body, and servers that respond with the transcript itself.

`requests` with `files=` holds the whole body in memory, twice. A body with a length and a `read` method is streamed
with a Content-Length, which these servers require.
"""

import math
import mimetypes
import time
import uuid
from collections.abc import Iterable, Sequence

from urllib3.fields import RequestField

from callscribe.errors import JobFailed, RetryableError
from callscribe.settings.whisperx import WhisperXSettings
from callscribe.sources import Audio
from callscribe.transcripts.response_parser import parse_response
from callscribe.transcripts.transcript import Transcript
from callscribe.whisperx import Job, Response, Timeouts
from callscribe.whisperx.dialects.reported_errors import find_reported_error
from callscribe.whisperx.error_tables import ErrorTable
from callscribe.whisperx.response_errors import raise_for_status

type Parameters = Sequence[tuple[str, str]]
"""Request options by name, for the query or the form fields; a name may occur several times."""


class SynchronousService:
    """The base class for servers without jobs."""

    def poll(self, job: Job, timeouts: Timeouts) -> Transcript:  # noqa: ARG002
        """Raises: JobFailed, since the job belongs to a server of another dialect, used before the settings changed."""
        raise JobFailed("The job belongs to a server of another dialect. The audio is sent again.", code="job_lost")


def build_parameters(defaults: Iterable[tuple[str, str]], settings: WhisperXSettings) -> Parameters:
    """The defaults, and `WhisperXOptions`, which takes precedence over defaults of the same name.

    What is empty is not sent: `response_format=` in `WhisperXOptions` leaves out the default.
    """
    overrides = settings.extra_options
    overridden = {name for name, _ in overrides}
    parameters = [*((name, value) for name, value in defaults if name not in overridden), *overrides]
    return [(name, value) for name, value in parameters if value]


def parse_transcript_response(response: Response, error_table: ErrorTable | None = None) -> Transcript:
    """Raises: TranscriptionError, for the status or an error in the body; RetryableError, when it is no transcript."""
    if not response.is_success:
        raise_for_status(response, error_table)
    try:
        transcript = parse_response(response.body, response.content_type)
    except RetryableError as error:
        raise find_reported_error(response, error_table) or error from None
    if not transcript.segments and (reported := find_reported_error(response, error_table)):
        raise reported
    return transcript


class MultipartUpload:
    """The `data=` of a request; `content_type` is its header. The form fields `fields` come before the file.

    `bytes_sent` counts the bytes that were read from it. The first read comes only after a connection was made.
    """

    def __init__(self, audio: Audio, *, field: str, name: str, fields: Iterable[tuple[str, str]] = ()) -> None:
        boundary = uuid.uuid4().hex
        file_part = RequestField(field, b"", filename=name)
        file_part.make_multipart(content_type=mimetypes.guess_type(name)[0] or "application/octet-stream")
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.fields = tuple(fields)
        options = (f"--{boundary}\r\n{_part_headers(option)}{value}\r\n" for option, value in self.fields)
        self._head = f"{''.join(options)}--{boundary}\r\n{file_part.render_headers()}".encode(errors="replace")
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._audio = audio
        self._deadline = math.inf
        self.bytes_sent = 0
        self._bytes_left = audio.length
        self._length = len(self._head) + audio.length + len(self._tail)

    def with_deadline(self, deadline: float) -> "MultipartUpload":
        """This same body, which can no longer be read after the deadline (a time of `time.monotonic`)."""
        self._deadline = deadline
        return self

    def __len__(self) -> int:
        return self._length

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size`; empty at the end.

        Raises: RetryableError, when the audio is cut short or the deadline has passed.
        """
        if time.monotonic() > self._deadline:
            raise RetryableError("The WhisperX server read the audio too slowly.", code="timeout")
        if size < 0:
            size = self._length
        if self._head:
            chunk, self._head = self._head[:size], self._head[size:]
        elif self._bytes_left:
            chunk = self._audio.read(min(size, self._bytes_left))
            if not chunk:
                raise RetryableError("The audio file became shorter while it was sent.", code="audio_unreadable")
            self._bytes_left -= len(chunk)
        else:
            chunk, self._tail = self._tail[:size], self._tail[size:]
        self.bytes_sent += len(chunk)
        return chunk


def _part_headers(option: str) -> str:
    part = RequestField(option, b"")
    part.make_multipart()
    return part.render_headers()
