"""Save what this version declares and stores, for the upgrade test of the next one: `python -m tests.previous`.

Run it at each release. It saves recordings in every status, with runs and server requests, as the handlers themselves
write them.
"""

import json
import shutil
from tempfile import TemporaryDirectory

import pytest

from local.cloud.aws import serve_aws
from local.cloud.client import aws_client
from local.cloud.stack import deploy
from testing.handlers import ROOT, Handlers, client
from testing.scripted_service import Reply, ScriptedService
from tests.previous import BUCKET, PARAMETERS, STORED, TEMPLATE, WAV

TRANSCRIBED = {
    "in-2025550100-2025550143-20261118-093012-1795012210.17.wav": Reply(),
    "completed.wav": Reply(),
    "retried.wav": Reply(status=500),
    "failed.wav": Reply(status=415),
}


def main() -> None:
    """Write the template and the stored data into this folder."""
    service = ScriptedService()
    with serve_aws() as endpoint, pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.chdir(folder)
        s3 = aws_client("s3", endpoint)
        s3.create_bucket(Bucket=BUCKET)
        stack = deploy(ROOT / "template.yaml", endpoint, PARAMETERS)
        handlers = Handlers(stack, patch)
        handlers.overrides |= {"WHISPERX_URL": service.url, "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:9"}

        def add(key: str) -> None:
            s3.put_object(Bucket=BUCKET, Key=key, Body=WAV)
            handlers.sync()

        for key, reply in TRANSCRIBED.items():
            add(key)
            handlers.queue()
            service.replies = [reply]
            handlers.process()
        add("queued.wav")
        handlers.queue()
        add("pending.wav")
        handlers.api("PUT", "/api/modules/whisperx", body={"language": "en"})
        tables = {
            logical_id: client("dynamodb", endpoint).scan(TableName=name)["Items"]
            for logical_id, name in stack.tables.items()
        }
        bucket = stack.buckets["TranscriptsBucket"]
        transcripts = {
            item["Key"]: json.loads(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
            for item in s3.list_objects_v2(Bucket=bucket)["Contents"]
        }
    STORED.write_text(json.dumps({"tables": tables, "transcripts": transcripts}, indent=1, sort_keys=True) + "\n")
    shutil.copyfile(ROOT / "template.yaml", TEMPLATE)


if __name__ == "__main__":
    main()
