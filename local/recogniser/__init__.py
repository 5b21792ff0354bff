"""A small WhisperX server of the `asr` dialect, so that nothing else is needed: `python -m local.recogniser`."""
