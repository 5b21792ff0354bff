"""What is sent beside the audio: what Callscribe needs, what the settings say, and options that a site adds itself."""

from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl

from callscribe.settings.whisperx import WhisperXSettings

type Parameters = Sequence[tuple[str, str]]

FILE_FIELDS = {"file", "audio_file"}

KNOWN_OPTION_NAMES = (
    "align align_model async batch_size beam_size best_of chunk_size chunk_length compression_ratio_threshold "
    "compute_type device device_index diarize diarize_model encode enable_alignment hf_token hotwords initial_prompt "
    "interpolate_method language length_penalty log_prob_threshold max_speakers min_speakers model "
    "no_speech_threshold num_speakers output output_format patience prompt response_format return_char_alignments "
    "speaker_embeddings stream suppress_numerals suppress_tokens task temperature temperatures threads "
    "timestamp_granularities timestamp_granularities[] translate vad_filter vad_offset vad_onset "
    "word_timestamps"
)
KNOWN_OPTIONS = frozenset(KNOWN_OPTION_NAMES.split())
"""The options of the servers that are known, by name. A message may repeat these and those that were sent, and no
other word of a server."""


def build_parameters(defaults: Iterable[tuple[str, str]], settings: WhisperXSettings) -> Parameters:
    """Ours that are not empty, and the further options of the settings, which win where both name the same."""
    overrides = parse_qsl(settings.whisperx_options, keep_blank_values=True)
    overridden = {name for name, _ in overrides}
    return [*((name, value) for name, value in defaults if value and name not in overridden), *overrides]
