"""The HTTP contracts that WhisperX servers speak: one Python module per dialect."""
