"""The HTTP APIs of WhisperX servers: one Python module for each dialect."""
