"""A small WhisperX-compatible server for each dialect, for the demo and the tests: `python -m local.recogniser`."""
