"""Every error that Callscribe raises on purpose, in one tree.

    CallscribeError                  code: a stable word for programs · message: what to do, for people
    ├── ConfigurationError           a setting is missing or wrong: nothing is tried
    ├── StoreError                   DynamoDB did not take a request: the run ends, the next one goes on
    ├── SourceError                  the place where recordings lie cannot be listed
    ├── SidecarError                 a file beside a recording cannot be read: the recording goes on without it
    ├── Skipped                      there is a reason to do nothing now: the run says which
    ├── InvalidTransition            a status change that the state table does not allow
    └── TranscriptionError           one attempt on one recording ended without a transcript
        ├── RetryableError           the same audio may succeed later
        │   └── JobEnded             the service has ended a job, or forgotten it, and there is no transcript
        ├── PermanentError           the same audio will not succeed: a person has to look
        └── ServiceUnavailable       nobody was there to try: costs the recording no attempt
            └── ServiceDown          so a proxy says; but it may be this very audio that brings the service down

The class decides what happens to a recording, never the message text. No message holds a key, a transcript, or the
name of a file: names of recordings hold phone numbers.
"""


class CallscribeError(Exception):
    """An error with a `code` for programs and a `message` that tells a person what to do."""

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
    """`status` is that of HTTP where the error is what the service answered; None otherwise."""

    code = "transcription"

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message, code=code)
        self.status = status


class RetryableError(TranscriptionError):
    pass


class JobFailed(RetryableError):
    code = "job_failed"


class PermanentError(TranscriptionError):
    pass


class ServiceUnavailable(TranscriptionError):
    """`retry_after` is what the service asked for, in seconds; None when it did not say."""

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


class BadGateway(ServiceUnavailable):
    code = "service_down"
