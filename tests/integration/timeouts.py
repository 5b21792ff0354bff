"""Timeouts of requests to the WhisperX server in tests."""

from callscribe.whisperx import Timeouts
from testing.waiting import LIMIT_SECONDS

LONG_TIMEOUTS = Timeouts(connect=LIMIT_SECONDS, total=LIMIT_SECONDS)
"""For a server that responds, however slow the machine is."""

SHORT_TIMEOUTS = Timeouts(connect=0.5, total=0.5)
"""For a server that never responds, or never completely."""
