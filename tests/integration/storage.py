"""Storage for recordings in tests, an S3 bucket or a folder, and runs of sync over it."""

import json
import os
import time

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from testing.handlers import ROOT, client

OLD_SECONDS = 3600
"""Age of a complete file."""
AUDIO = b"ID3" + b"\0" * 200
"""Not WAV, so that only its age decides whether a file in a folder is complete."""


class Bucket:
    """The stack's bucket for recordings. `location` and `prefix` are as in the records."""

    def __init__(self, stack):
        self._s3, self._bucket = client("s3", stack.endpoint), stack.buckets["RecordingsBucket"]
        self.path, self.prefix = f"s3://{self._bucket}/", ""
        self.location = f"s3://{self._bucket}"

    def put(self, key, body=AUDIO):
        if "\n" in key:  # moto's server has no route for it, but its bucket accepts it, as S3 does
            s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(self._bucket, key, body)
        else:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)

    def delete(self, key):
        self._s3.delete_object(Bucket=self._bucket, Key=key)


class Folder:
    """A folder of recordings, with the interface of Bucket. `age`: how many seconds ago a file was written."""

    def __init__(self, root):
        self.root, self.path, self.prefix, self.location = root, f"{root}/", f"{root}/".lstrip("/"), "file://"

    def put(self, key, body=AUDIO, age=OLD_SECONDS):
        file = self.root / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        os.utime(file, (time.time() - age,) * 2)

    def delete(self, key):
        (self.root / key).unlink()


def sync_counts(handlers):
    """Run sync, and return the counts that are not zero."""
    run = handlers.sync()
    assert run["status"] == "succeeded", run
    return {name: number for name, number in run["counts"].items() if number}


def upload_event(stack, *keys, bucket=None):
    """The batch in which SQS delivers the events of uploaded files, as Lambda passes it to sync."""
    return upload_batch(*(upload_body(stack, key, bucket) for key in keys))


def upload_batch(*bodies):
    """A batch of messages with these bodies. Their IDs are `message-1`, `message-2` and so on."""
    template = json.loads((ROOT / "events/upload.json").read_text())["Records"][0]
    return {
        "Records": [
            template | {"messageId": f"message-{number}", "body": body} for number, body in enumerate(bodies, start=1)
        ]
    }


def upload_body(stack, key, bucket=None):
    detail = {"bucket": {"name": bucket or stack.buckets["RecordingsBucket"]}, "object": {"key": key, "size": 5}}
    return json.dumps({"version": "0", "detail-type": "Object Created", "source": "aws.s3", "detail": detail})
