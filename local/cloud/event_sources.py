"""Passes the messages of SQS queues to functions, as Lambda's event source mappings do.

moto has the queues, their visibility timeouts and redrive policies, and puts the events of uploads into them. It could
also poll, but it runs functions in containers, and does not know partial batch responses:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event, Semaphore, Thread
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from local.cloud.client import aws_client
from local.cloud.stack import EventSource, Stack
from local.lambdas.pool import InvocationResult

POLL_SECONDS = 1.0
"""Pause between two requests to an empty queue. Lambda polls long, but moto serves one request at a time."""
MAX_RECEIVED = 10
"""The most messages that SQS returns to one request, and the largest batch without a batching window."""


class EventSourcePoller:
    """Calls `invoke(function name, event)`, which waits for the result, with batches of messages. A context manager."""

    def __init__(self, stack: Stack, invoke: Callable[[str, Any], InvocationResult]) -> None:
        self._stack = stack
        self._invoke = invoke
        self._stopping = Event()
        self._threads = [
            Thread(target=self._poll, args=(source,), name=f"event source of {source.function}", daemon=True)
            for source in stack.event_sources
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Receive no more messages. Functions that were invoked continue."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _poll(self, source: EventSource) -> None:
        sqs = aws_client("sqs", self._stack.endpoint)
        slots = Semaphore(source.max_concurrency)
        while not self._stopping.is_set():
            if not slots.acquire(timeout=POLL_SECONDS):
                continue
            messages = []
            with suppress(BotoCoreError, ClientError):  # an endpoint that is restarted, for example
                messages = _receive(sqs, source)
            if messages:
                Thread(target=self._run, args=(sqs, source, messages, slots), daemon=True).start()
            else:
                slots.release()
                self._stopping.wait(POLL_SECONDS)

    def _run(self, sqs: Any, source: EventSource, messages: list[dict[str, Any]], slots: Semaphore) -> None:
        """Invoke the function with a batch, and delete the messages that it has handled.

        The others become visible again after the visibility timeout of the queue, as in AWS.
        """
        try:
            event = {"Records": [_to_record(message, source, self._stack.region) for message in messages]}
            result = self._invoke(source.function, event)
            failed_ids = find_failed_ids(result.payload)
            if handled := [each for each in messages if not result.failed and each["MessageId"] not in failed_ids]:
                entries = [{"Id": each["MessageId"], "ReceiptHandle": each["ReceiptHandle"]} for each in handled]
                sqs.delete_message_batch(QueueUrl=source.queue_url, Entries=entries)
        except (BotoCoreError, ClientError, RuntimeError):  # the functions or the endpoint have been stopped
            pass
        finally:
            slots.release()


def _receive(sqs: Any, source: EventSource) -> list[dict[str, Any]]:
    response = sqs.receive_message(
        QueueUrl=source.queue_url,
        MaxNumberOfMessages=min(source.batch_size, MAX_RECEIVED),
        AttributeNames=["All"],
        WaitTimeSeconds=0,
    )
    messages: list[dict[str, Any]] = response.get("Messages", [])
    return messages


def find_failed_ids(response: Any) -> set[str]:
    """Return the IDs of the messages that a function reports as failed."""
    failures = response.get("batchItemFailures") if isinstance(response, Mapping) else None
    return {failure["itemIdentifier"] for failure in failures or ()}


def _to_record(message: Mapping[str, Any], source: EventSource, region: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": source.queue_arn,
        "awsRegion": region,
    }
