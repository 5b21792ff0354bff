"""A stack with the tiny handlers as its functions, and without an AWS endpoint."""

from local.cloud.stack import Function, Stack
from testing.waiting import LIMIT_SECONDS


def tiny_stack(*handlers: str, timeout_seconds: int = int(LIMIT_SECONDS)) -> Stack:
    functions = {
        name: Function(
            logical_id=name,
            name=f"stack-{name}",
            arn=f"arn:aws:lambda:us-east-1:123456789012:function:stack-{name}",
            handler=f"tests.handlers.tiny.{name}",
            timeout_seconds=timeout_seconds,
            memory_mb=256,
            environment={"OWN": name, "AWS_ENDPOINT_URL": ""},
        )
        for name in handlers
    }
    return Stack("http://127.0.0.1:1", "us-east-1", "123456789012", {}, {}, {}, functions, ())
