"""A small WhisperX-compatible server for each dialect, for the demo and the tests: `python -m local.recogniser`."""

READY_PREFIX = "listening on "
ERROR_PREFIX = "error: "
"""How the last line begins that the server prints before it serves, or exits."""

ENGINES = ("pocketsphinx", "whisper")
"""What can recognise speech; the first is the default."""
