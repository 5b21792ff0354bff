"""A small WhisperX server of each dialect, so that nothing else is needed: `python -m local.recogniser`."""
