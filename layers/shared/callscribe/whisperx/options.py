"""What is sent beside the audio: what Callscribe needs, what the settings say, and options that a site adds itself."""

from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl

from callscribe.settings import WhisperXSettings

type Pairs = Sequence[tuple[str, str]]

FILE_FIELDS = {"file", "audio_file"}

NAMES = (
    "align align_model async batch_size beam_size best_of chunk_size chunk_length compression_ratio_threshold "
    "compute_type device device_index diarize diarize_model encode enable_alignment hf_token hotwords initial_prompt "
    "interpolate_method language length_penalty log_prob_threshold max_speakers min_speakers model "
    "no_speech_threshold num_speakers output output_format patience prompt response_format return_char_alignments "
    "speaker_embeddings stream suppress_numerals suppress_tokens task temperature temperatures threads "
    "timestamp_granularities timestamp_granularities[] translate vad_filter vad_offset vad_onset "
    "word_timestamps"
)
KNOWN = frozenset(NAMES.split())
"""The options of the servers that are known, by name. A message may repeat these and those that were sent, and no
other word of a server."""


def parameters(ours: Iterable[tuple[str, str]], settings: WhisperXSettings) -> Pairs:
    """Ours that are not empty, and the further options of the settings, which win where both name the same."""
    theirs = parse_qsl(settings.whisperx_options, keep_blank_values=True)
    named = {name for name, _ in theirs}
    return [*((name, value) for name, value in ours if value and name not in named), *theirs]
