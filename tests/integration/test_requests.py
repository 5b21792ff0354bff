"""What a run and a request cost: requests to AWS, counted where they leave."""


def test_a_recording_on_a_warm_function_costs_twelve_requests_at_most(handlers, put, counted):
    for number in range(2):
        put(f"{number}.wav")
    handlers.transcribe()  # warms up: the key is cached
    with counted() as requests:
        assert handlers.process()["counts"]["completed"] == 1
    assert requests == {
        "PutItem": 1,  # the run, when it begins
        "BatchWriteItem": 1,  # the run, when it ends, and its call to the service
        "BatchGetItem": 1,  # what is switched off
        "Query": 2,  # lost claims; the next in line
        "UpdateItem": 4,  # slot and claim; completion, and the slot back
        "GET S3": 1,
        "PUT S3": 1,
        "PutEvents": 1,
    }
    assert requests.total() <= 12


def test_a_retry_costs_one_look_more(handlers, put, counted, service, reply):
    service.replies = [reply(status=500), reply()]
    put("a.wav")
    handlers.transcribe()
    handlers.advance_clock(seconds=2)
    with counted() as requests:
        assert handlers.process()["counts"]["completed"] == 1
    assert requests["Query"] == 3
    assert requests.total() <= 13


def test_a_run_with_nothing_to_do_costs_six(handlers, counted):
    handlers.process()
    with counted() as requests:
        handlers.process()
    assert requests.total() == 6


def test_a_run_during_an_outage_costs_seven(handlers, put, counted, service, reply):
    service.replies = [reply(status=503)]
    put("a.wav")
    handlers.transcribe()
    with counted() as requests:
        assert handlers.process()["status"] == "skipped"
    assert requests.total() == 7
