"""What each recorded answer and each misbehaviour leads to, as a table: `python -m tests.integration.outcomes`."""

import sys

from callscribe.errors import PermanentError, ServiceUnavailable, TranscriptionError
from callscribe.transcript import Transcript
from testing.scripted_service import Reply, ScriptedService
from tests.integration.test_exchanges import EXCHANGES, Recorded, outcome
from tests.integration.test_misbehaving import MISBEHAVIOUR, came_of, timeouts_for


def row(name, result):
    if isinstance(result, TranscriptionError):
        kind = type(result).__name__
        after = "failed, retried"
        if isinstance(result, PermanentError):
            after = "failed"
        elif isinstance(result, ServiceUnavailable):
            after = "queued, no attempt"
        return f"| {name} | {after} | {kind} | `{result.code}` | {result.message} |"
    if isinstance(result, Transcript):
        heard = f"{len(result.segments)} segment(s), language {result.language or 'not told'}"
        return f"| {name} | completed | – | – | {heard} |"
    return f"| {name} | processing | – | – | {f'job {result.id}' if result else 'the job is under way'} |"


def rows():
    yield "| answer | status | class | code | message |"
    yield "|---|---|---|---|---|"
    service = ScriptedService()
    for file in sorted(EXCHANGES.iterdir()):
        recorded = Recorded.named(file.stem)
        service.replies = [Reply(status=recorded.status, headers=recorded.headers, body=recorded.body)]
        yield row(file.stem, outcome(service.url, recorded))
    service.stop()
    for name, (serve, expected) in MISBEHAVIOUR.items():
        yield row(name, came_of(serve, timeouts=timeouts_for(expected)).result)


if __name__ == "__main__":
    sys.stdout.writelines(f"{each}\n" for each in rows())
