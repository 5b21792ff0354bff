#!/bin/sh
# Creates the sample recordings in this folder. They are committed, so you do not have to run this to use them.
# Debian packages: flite festival festvox-us-slt-hts sox libsox-fmt-mp3
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The bandwidth of a telephone. Used unquoted: two words.
line="sinc 300-3400"

# say VOICE NAME TEXT: writes a phrase to $work/NAME.wav, 16 kHz mono. The voices differ in loudness and in the silence
# around a phrase, so both are normalised.
say() {
    case $1 in
        hts) echo "$3" | text2wave -eval '(voice_cmu_us_slt_arctic_hts)' -o "$work/spoken.wav" ;;
        *) flite -voice "$1" -t "$3" -o "$work/spoken.wav" ;;
    esac
    sox "$work/spoken.wav" -r 16000 -b 16 "$work/$2.wav" gain -n -6 \
        silence 1 0.01 0.1% reverse silence 1 0.01 0.1% reverse pad 0 0.2
}

# after SECONDS NAME: adds silence before a phrase, to place it in a stereo call.
after() {
    sox "$work/$2.wav" "$work/$2.placed.wav" pad "$1" 0.4
}

# The pause between two sentences.
sox -n -r 16000 -b 16 "$work/gap.wav" trim 0 0.5

# 1. Mono, 16 kHz, 16-bit PCM: a greeting.
say hts a1 "Hello, this is the hotel."
say hts a2 "How can I help you today?"
sox "$work/a1.wav" "$work/gap.wav" "$work/a2.wav" "$work/a.wav" pad 0.3 0.2
sox "$work/a.wav" in-2025550100-2025550143-20261118-093012-1795012210.17.wav

# 2. Mono, 8 kHz, u-law, 300 to 3400 Hz: a caller leaves a request.
say rms b1 "I would like to know when my order will arrive."
say rms b2 "Please call me back tomorrow morning."
sox "$work/b1.wav" "$work/gap.wav" "$work/b2.wav" "$work/b.wav" pad 0.3 0.2
sox "$work/b.wav" -r 8000 -e u-law external-101-2025550178-20261118-101540-1795014937.23.wav $line

# 3. Stereo, 8 kHz, 16-bit PCM: the caller on the left, the agent on the right; they take turns.
say rms agent1 "Good morning. How can I help you?"
say awb caller1 "I want to change my hotel room."
say rms agent2 "When will you arrive?"
say awb caller2 "I will come tomorrow morning."
after 0.2 agent1; after 2.8 caller1; after 5.6 agent2; after 7.3 caller2
sox -m -v 1 "$work/caller1.placed.wav" -v 1 "$work/caller2.placed.wav" "$work/left.wav"
sox -m -v 1 "$work/agent1.placed.wav" -v 1 "$work/agent2.placed.wav" "$work/right.wav"
sox -M "$work/left.wav" "$work/right.wav" -r 8000 -b 16 external-102-2025550162-20261118-113007-1795019405.31.wav $line

# 4. MP3, 16 kHz mono, as converted by a script after the recording: an outgoing call.
say kal16 d1 "This is a message for the manager."
say kal16 d2 "Your new computer is ready."
sox "$work/d1.wav" "$work/gap.wav" "$work/d2.wav" "$work/d.wav" pad 0.3 0.2
sox "$work/d.wav" -C 32 out-2025550119-102-20261118-142255-1795029773.42.mp3

# 5. GSM 6.10 in WAV, Asterisk's "wav49", with its upper-case extension: a call between two extensions.
say rms e1 "We have a meeting this afternoon."
say rms e2 "Please bring the report about the money."
sox "$work/e1.wav" "$work/gap.wav" "$work/e2.wav" "$work/e.wav" pad 0.3 0.2
sox "$work/e.wav" -t wav -r 8000 -e gsm-full-rate internal-102-101-20261118-160018-1795035617.58.WAV $line

# 6. Three seconds without speech: only faint line noise.
sox -R -n -r 8000 -b 16 in-2025550100-2025550107-20261118-173045-1795041044.66.wav \
    synth 3 whitenoise vol 0.0005

# 7. Text with the name of a recording.
mkdir -p broken
seq 1 600 | sed 's/^/this is not audio, line /' \
    > broken/in-2025550100-2025550155-20261118-181502-1795043701.71.wav
