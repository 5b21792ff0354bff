"""What the calculator of costs reckons with is what the code asks AWS for."""

import json

from benchmarks import stories
from benchmarks.ledger import Counting, Table
from tests.integration.dynalite import declared_tables


def test_the_counted_requests_and_write_units_are_those_of_the_code(handlers, service, reply, put, stack):
    """`python -m benchmarks.stories` writes them anew; then look at docs/cost.md."""
    tables = {stack.tables[name]: Table.declared(name, table) for name, table in declared_tables().items()}
    stage = stories.Stage(
        handlers=handlers,
        service=service,
        reply=reply,
        put=put,
        bucket=stack.buckets["RecordingsBucket"],
        counting=Counting(tables),
        seconds=10,
    )
    told = {name: ledger.document() for name, ledger in stories.tell(stage).items()}
    kept = json.loads(stories.FILE.read_text())["stories"]
    for name in kept.keys() | told.keys():
        assert {what: told[name][what] for what in stories.COUNTS} == {
            what: kept[name][what] for what in stories.COUNTS
        }, name
