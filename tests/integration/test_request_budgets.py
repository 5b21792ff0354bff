"""How many requests to AWS a run of process makes."""


def test_transcription_takes_at_most_twelve_requests_on_a_warm_function(handlers, put, count_requests):
    for number in range(2):
        put(f"{number}.wav")
    handlers.transcribe()  # reads and caches the key
    with count_requests() as requests:
        assert handlers.process()["counts"]["completed"] == 1
    assert requests == {
        "PutItem": 1,  # the run at its start
        "BatchWriteItem": 1,  # the run at its end, with its request to the service
        "BatchGetItem": 1,  # settings, paused tasks and disabled modules
        "Query": 2,  # expired claims; the next queued recording
        "UpdateItem": 4,  # acquire a slot, claim, complete, release the slot
        "GET S3": 1,
        "PUT S3": 1,
        "PutEvents": 1,
    }
    assert requests.total() <= 12


def test_repeated_attempt_takes_one_more_query(handlers, put, count_requests, service, reply):
    service.replies = [reply(status=500), reply()]
    put("a.wav")
    handlers.transcribe()
    handlers.advance_clock(seconds=2)
    with count_requests() as requests:
        assert handlers.process()["counts"]["completed"] == 1
    assert requests["Query"] == 3
    assert requests.total() <= 13


def test_run_with_an_empty_queue_takes_six_requests(handlers, count_requests):
    handlers.process()
    with count_requests() as requests:
        handlers.process()
    assert requests.total() == 6


def test_run_during_an_outage_takes_seven_requests(handlers, put, count_requests, service, reply):
    service.replies = [reply(status=503)]
    put("a.wav")
    handlers.transcribe()
    with count_requests() as requests:
        assert handlers.process()["status"] == "skipped"
    assert requests.total() == 7
