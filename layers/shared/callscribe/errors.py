"""Every error that Callscribe raises on purpose, in one tree.

    CallscribeError                  code: a stable word for programs · message: what to do, for users
    ├── ConfigurationError           a setting is missing or invalid: nothing is tried
    ├── StoreError                   DynamoDB, or S3 for transcripts, failed: the run ends, the next one continues
    ├── SourceError                  the recordings path cannot be listed
    ├── SidecarError                 a sidecar cannot be read: the recording is ingested without it
    ├── RunSkipped                   there is a reason to do nothing now: the run records it
    ├── InvalidTransition            a status change that the state machine does not allow
    └── TranscriptionError           one attempt on one recording ended without a transcript
        ├── RetryableError           the same audio may succeed later
        │   ├── JobFailed            the service has ended or forgotten a job, and there is no transcript
        │   └── AudioRefused         S3 or the file system refuses to return this file: the attempt does not count
        ├── PermanentError           the same audio will not succeed: a user has to act
        └── ServiceUnavailable       the service did not try the audio (not reached, overloaded, wrongly configured):
            │                        the attempt does not count
            ├── ServerStopped        the connection was refused: the server's OS process has ended
            ├── SourceRefused        no recording can be read: a permission is missing, and nothing is sent
            └── SuspectedOutage      it looks like wrong settings or an outage, but this audio may be the cause
                └── BadGateway       a proxy reports that the server's OS process has ended, or ended just now

The class decides what happens to a recording, never the message text. No message contains a key, a transcript, or a
file name: names of recordings contain phone numbers.
"""


class CallscribeError(Exception):
    """An error with a `code` for programs and a `message` that says what to do."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class ConfigurationError(CallscribeError):
    code = "configuration_error"


class StoreError(CallscribeError):
    code = "store_error"


class SourceError(CallscribeError):
    code = "source_error"


class SidecarError(CallscribeError):
    code = "sidecar_unreadable"


class RunSkipped(CallscribeError):
    code = "skipped"


class InvalidTransition(CallscribeError):
    code = "invalid_transition"


class TranscriptionError(CallscribeError):
    """`status` is the HTTP status if the service responded; None otherwise."""

    code = "transcription_error"
    counts_as_attempt = True

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message, code=code)
        self.status = status


class RetryableError(TranscriptionError):
    pass


class JobFailed(RetryableError):
    code = "job_failed"


class AudioRefused(RetryableError):
    code = "access_denied"
    counts_as_attempt = False


class PermanentError(TranscriptionError):
    pass


class ServiceUnavailable(TranscriptionError):
    """`retry_after`: the service's Retry-After header in seconds; None without one."""

    code = "service_unavailable"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, status=status)
        self.retry_after = retry_after


class ServerStopped(ServiceUnavailable):
    pass


class SuspectedOutage(ServiceUnavailable):
    """After several of these on a server that was available, further ones count as attempts (`state_machine`)."""

    code = "wrong_settings"


class BadGateway(SuspectedOutage):
    code = "service_down"


class SourceRefused(ServiceUnavailable):
    code = "access_denied"
