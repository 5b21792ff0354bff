"""Crosstalk: what one channel repeats of the other one is left out, and nothing else."""

import json

import pytest

from callscribe.store import transcripts
from testing.crosstalk import CALL, heard, speakers_of, two_channels, word_error_rate
from testing.handlers import client
from testing.made_audio import wav
from tests.e2e.crosstalk import LEAKS, opus, transcribe

SPEAKERS = [{sentence.speaker} for sentence in CALL]
YES = [index for index, sentence in enumerate(CALL) if sentence.text == "Yes."]
for index in YES:
    SPEAKERS[index] = {"caller", "agent"}


@pytest.mark.parametrize("word_times", [True, False], ids=["words with times", "words without times"])
@pytest.mark.parametrize("leak", LEAKS)
def test_each_sentence_appears_once_under_its_speaker(leak, word_times):
    document = transcribe("call.wav", wav(*two_channels(leak)), word_times=word_times)
    assert speakers_of(document) == SPEAKERS
    assert word_error_rate(document) == 0
    assert (document["producedBy"]["echoSegments"] > 0) == (leak is not None)


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.3])
def test_echo_may_be_late(delay):
    document = transcribe("call.wav", wav(*two_channels(-25, delay=delay)))
    assert (speakers_of(document), word_error_rate(document)) == (SPEAKERS, 0)


@pytest.mark.parametrize("application", ["audio", "lowdelay"])
def test_codec_that_stores_both_channels_jointly_makes_echo(application):
    content = opus(*two_channels(None), application)
    kept = transcribe("call.ogg", content, keep_echo=True)
    document = transcribe("call.ogg", content)
    assert speakers_of(document) == SPEAKERS
    assert word_error_rate(document) <= 0.05 < word_error_rate(kept)


@pytest.mark.parametrize("leak", [None, -40])
def test_distant_caller_is_not_mistaken_for_echo(leak):
    document = transcribe("call.wav", wav(*two_channels(leak, caller_db=-30)))
    assert speakers_of(document) == SPEAKERS
    assert word_error_rate(document) <= 0.02


def test_channel_of_echo_only_is_as_if_it_were_silent():
    monologue = [sentence for sentence in CALL if sentence.speaker == "agent"]
    document = transcribe("call.wav", wav(*two_channels(-25, call=monologue)))
    assert {segment["speaker"] for segment in document["segments"]} == {"agent"}
    assert document["missingChannels"] == []
    assert len(document["segments"]) == len(monologue)


@pytest.fixture
def start_job_call(handlers, put, service, reply):
    """Puts a call with crosstalk; the server has the dialect `tasks`, and each job ends when it is polled."""
    bodies: dict[str, bytes] = {}

    def choose_reply(request):
        if request.method == "POST":
            task = f"task-{request.channel}"
            bodies[task] = json.dumps(heard(request.body, word_times=True)).encode()
            return reply(body=json.dumps({"identifier": task}).encode())
        task = request.path.rpartition("/")[2]
        if task == "all":
            return reply(body=b'{"tasks": []}')
        return reply(body=b'{"status": "completed", "result": %s}' % bodies[task])

    service.choose_reply = choose_reply
    handlers.overrides |= {"CHANNELS": "caller-left", "WHISPERX_DIALECT": "tasks"}

    def start():
        put("call.wav", wav(*two_channels(-25)))
        handlers.sync_and_queue()
        handlers.process()

    return start


@pytest.fixture
def finish(handlers, list_recordings):
    """Polls until the call is completed, and returns its transcript."""

    def finish():
        for _ in range(4):
            handlers.advance_clock(minutes=1)
            handlers.process()
        item = list_recordings()["call.wav"]
        assert item["transcriptionStatus"] == "completed"
        return handlers.api("GET", f"/api/call-recordings/{item['id']}/transcript").json

    return finish


def test_levels_are_kept_for_the_run_that_merges_two_jobs(start_job_call, finish):
    start_job_call()
    document = finish()
    assert (speakers_of(document), word_error_rate(document)) == (SPEAKERS, 0)


def test_nothing_is_left_out_if_the_levels_are_gone(start_job_call, handlers, finish, monkeypatch):
    get_track = transcripts.get_track
    monkeypatch.setattr(
        transcripts, "get_track", lambda *arguments: None if arguments[-1] == "levels" else get_track(*arguments)
    )
    start_job_call()
    document = finish()
    assert word_error_rate(document) > 0.5
    assert document["producedBy"]["echoSegments"] == 0


def test_file_that_is_gone_or_replaced_before_merging_is_no_failure(start_job_call, handlers, put, stack, finish):
    start_job_call()
    handlers.advance_clock(minutes=1)
    handlers.process()  # the left channel is done, the right one a job
    client("s3", stack.endpoint).delete_object(Bucket=stack.buckets["RecordingsBucket"], Key="call.wav")
    document = finish()
    assert (speakers_of(document), word_error_rate(document)) == (SPEAKERS, 0)


def test_channel_of_an_earlier_attempt_is_compared_too(handlers, put, service, reply, list_recordings):
    handlers.overrides["CHANNELS"] = "caller-left"
    errors = {"right"}

    def choose_reply(request):
        if request.channel in errors:
            return reply(status=500)
        return reply(body=json.dumps(heard(request.body, word_times=False)).encode())

    service.choose_reply = choose_reply
    put("call.wav", wav(*two_channels(-25)))
    handlers.transcribe()
    errors.clear()
    handlers.advance_clock(minutes=1)
    handlers.process()
    item = list_recordings()["call.wav"]
    assert (item["transcriptionStatus"], item["attempts"]) == ("completed", 2)
    document = handlers.api("GET", f"/api/call-recordings/{item['id']}/transcript").json
    assert (speakers_of(document), word_error_rate(document)) == (SPEAKERS, 0)
