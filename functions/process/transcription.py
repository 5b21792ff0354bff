"""One worker's run: take what is next, send it, store what comes back, and say how it ended.

Where a worker dies between two of these steps, docs/states.md says what is left behind and who puts it right.
"""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from callscribe import transitions
from callscribe.clock import Clock, iso
from callscribe.errors import RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.recording import Recording, Status, TranscriptRef
from callscribe.run import Outcome, Run
from callscribe.sources import open_location
from callscribe.store import recordings, slots, transcripts
from callscribe.telemetry import count, fault_of, logger
from callscribe.transcript import Transcript
from callscribe.transitions import Place, RetryPolicy
from callscribe.whisperx import Service, Timeouts

LEASE = timedelta(minutes=16)
"""Longer than Lambda lets a function run (15 minutes): a lease that has run out means a dead worker."""

CONNECT_SECONDS = 5.0

RESERVE = timedelta(seconds=20)
"""Kept back from the function's time to store the result, or the failure."""

LEAST = timedelta(seconds=60)
"""With less time than this left, no further recording is begun."""

CANDIDATES = 10
"""Places read at once: a worker that loses one to another takes the next without asking again."""

LOOKS = 3
"""So often a run that loses every race looks at the line again; the index may lag behind for a moment."""

LOST_AT_ONCE = 25
"""Lost claims that one run puts back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What one run of the process task works with. `service` is called when there is something to send."""

    service: Callable[[], Service]
    transcripts_bucket: str
    policy: RetryPolicy
    slots: int
    clock: Clock
    ends_at: datetime
    jitter: random.Random
    run: Run

    def work(self, limit: int) -> None:
        """Transcribes up to `limit` recordings. Raises ConfigurationError, StoreError."""
        self.run.counts.update(completed=0, failed=0, recovered=0, lost_races=0)
        self._recover_lost()
        for _ in range(limit):
            if self.ends_at - self.clock() < LEAST or not self._transcribe_next():
                break

    def _recover_lost(self) -> None:
        """Puts back what dead workers left in processing."""
        for place in recordings.lost(self.clock(), LOST_AT_ONCE):
            lost = recordings.get(place.id)
            if lost is None or lost.position != place.position:
                continue  # its worker, or another run, was faster
            if recordings.apply(lost.id, transitions.recover(lost, self.policy, self.clock())):
                self.run.count("recovered")
                logger.warning("lost claim recovered", recording_id=lost.id, attempts=lost.attempts)

    def _transcribe_next(self) -> bool:
        """Whether there was one, and it is worth while to go on."""
        places = self._next_places()
        if not places:
            return False
        service = self.service()
        token = uuid.uuid4().hex
        now = self.clock()
        slot = slots.take(self.slots, token, now, now + LEASE)
        if slot is None:
            if not any(self.run.counts.values()):
                self.run.outcome, self.run.error = Outcome.SKIPPED, f"all {self.slots} transcription slots are in use"
            return False
        try:
            claimed = self._claim(places, token)
            if claimed is None:
                return False
            with logger.append_context_keys(recording_id=claimed.id, attempt=claimed.attempts):
                return self._transcribe(claimed, service)
        finally:
            slots.free(slot, token)

    def _next_places(self) -> list[Place]:
        """The oldest queued; when nothing is queued, the failed ones that have been due for longest."""
        return recordings.first(Status.QUEUED, CANDIDATES) or recordings.due(self.clock(), CANDIDATES)

    def _claim(self, places: list[Place], token: str) -> Recording | None:
        """Claims the first or, where others are faster, another one; None when all are gone."""
        for _ in range(LOOKS):
            while places:
                place = places.pop(0)
                now = self.clock()
                claimed = recordings.apply(place.id, transitions.claim(place, token, now, now + LEASE))
                if claimed is not None:
                    return claimed
                self.run.count("lost_races")
                self.jitter.shuffle(places)  # who lost the same race goes elsewhere next
            places = self._next_places()
        return None

    def _transcribe(self, claimed: Recording, service: Service) -> bool:
        logger.info("transcription begins")
        try:
            transcript = self._send(claimed, service)
            stored = self._store(claimed, transcript)
        except ServiceUnavailable as error:
            recordings.apply(claimed.id, transitions.give_back(claimed, error, self.clock()))
            count("ServiceUnavailable")
            logger.warning("service unavailable", code=error.code, reason=error.message)
            self.run.outcome, self.run.error, self.run.error_code = Outcome.FAILED, error.message, error.code
            return False
        except TranscriptionError as error:
            self._fail(claimed, error)
            return True
        except Exception as error:  # noqa: BLE001
            # The edge of one recording: whatever went wrong here must not leave it in processing, nor stop the others.
            logger.error("transcription failed on a fault of ours", **fault_of(error))
            self._fail(claimed, RetryableError(_internal(error), code="internal_error"))
            return True
        if recordings.apply(claimed.id, transitions.complete(claimed, stored, self.clock())):
            self.run.count("completed")
            count("RecordingsCompleted")
            logger.info("transcription completed")
        else:
            logger.warning("transcription came too late: the claim was lost")
        return True

    def _send(self, claimed: Recording, service: Service) -> Transcript:
        seconds = (self.ends_at - RESERVE - self.clock()).total_seconds()
        source = open_location(claimed.location)
        with source.open(claimed.key) as audio:
            # the id and the ending, never the file's own name: names hold phone numbers
            name = f"{claimed.id}{PurePosixPath(claimed.key).suffix.lower()}"
            return service.transcribe(audio, name, Timeouts(CONNECT_SECONDS, seconds))

    def _store(self, claimed: Recording, transcript: Transcript) -> TranscriptRef:
        now = self.clock()
        # unique, so that no version is ever overwritten; sorts by time
        version = f"{now:%Y%m%dT%H%M%S%f}-{claimed.claim_token}"
        origin: dict[str, Any] = {
            "recordingId": claimed.id,
            "version": version,
            "attempt": claimed.attempts,
            "createdAt": iso(now),
        }
        transcripts.put(self.transcripts_bucket, claimed.id, version, transcript.document(origin))
        return TranscriptRef(
            version=version,
            language=transcript.language,
            duration=transcript.duration,
            preview=transcript.preview,
            no_speech=not transcript.segments,
        )

    def _fail(self, claimed: Recording, error: TranscriptionError) -> None:
        failed = recordings.apply(claimed.id, transitions.fail(claimed, error, self.policy, self.clock(), self.jitter))
        final = failed is not None and failed.next_attempt_at is None
        self.run.count("failed")
        count("RecordingsFailedFinally" if final else "AttemptsFailed")
        logger.warning("attempt failed", code=error.code, reason=error.message, final=final)


def _internal(error: Exception) -> str:
    return f"A fault in Callscribe itself ({type(error).__name__}). The log of the process function says more."
