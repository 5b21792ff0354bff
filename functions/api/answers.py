"""What a route may answer besides its success: said at the route, and told by the specification."""

from collections.abc import Callable, Mapping

STATUSES: Mapping[int, str] = {
    200: "It is done.",
    201: "It is new.",
    202: "It has begun, and goes on.",
    204: "It is deleted.",
    302: "It is at `Location`.",
    304: "It has not changed since.",
    400: "The request is not valid: `details` names each field and its fault.",
    401: "The key is missing or wrong.",
    404: "There is none, or none of this name.",
    405: "The route has no such method: `Allow` names those it has.",
    406: "It does not come in any of the accepted media types.",
    409: "Not in its present state, which `message` tells.",
    413: "Too large: `message` says what to do.",
    415: "The body must be JSON.",
    416: "It is not that long.",
    429: "More requests than the stack allows: slow down.",
    500: "A fault in Callscribe or its configuration; the log of the API function says more.",
    502: "Another function, or what it works on, failed.",
    503: "DynamoDB or a function has no room at this moment: try again.",
    504: "Another function took too long: try again.",
}
"""What each means here."""

HEADERS: Mapping[int, Mapping[str, str]] = {
    200: {"ETag": "Of a transcript or a file: for `If-None-Match`."},
    201: {"Location": "Where it is."},
    202: {"Location": "Where its run is, if it is one."},
    206: {"Content-Range": "Which part it is, and of how many bytes.", "ETag": "For `If-Range`."},
    302: {"Location": "An address that is good for five minutes."},
    304: {"ETag": "Of what one has."},
    405: {"Allow": "The methods that the route has."},
    416: {"Content-Range": "How many bytes there are."},
    503: {"Retry-After": "Seconds."},
}
"""What comes with it, where there is something to say. Every answer has an `X-Request-Id`."""

EVERYWHERE = (401, 429, 500, 503)
"""Below /api."""


def may_answer[F: Callable[..., object]](*statuses: int) -> Callable[[F], F]:
    """Marks a route with what it may answer besides its success; a status below 400 has the same content as that."""

    def mark(route: F) -> F:
        route.may_answer = statuses  # type: ignore[attr-defined]
        return route

    return mark


def marked(route: Callable[..., object]) -> tuple[int, ...]:
    """What a route was marked with."""
    statuses: tuple[int, ...] = getattr(route, "may_answer", ())
    return statuses
