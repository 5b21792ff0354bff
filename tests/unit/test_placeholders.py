"""Texts in place of a transcript: the recording must be sent to the server all the same."""

import json

import pytest

from callscribe.sidecars import SidecarKind, parse_sidecar
from callscribe.sidecars.placeholders import is_placeholder

PLACEHOLDERS = [
    "", "---", "...", "***", "12345", "+1 202 555 0143", "2026-11-18 09:30", "0.93",
    # statuses
    "pending", "In progress", "in-progress", "IN_PROGRESS", "Queued.", "Processing…", "none", "NULL", "n/a", "N/A",
    "not available", "Not available.", "disabled", "Failed", "error", "completed", "unavailable", "TBD", "not started",
    "no transcript", "[No transcript]", "No transcript available yet", "(transcription pending)", "Status: pending",
    "Transcription is being processed, please wait.", "Transcription failed", "transcription_pending job 17",
    "Error: quota exceeded for this project", "Error 500: the engine has crashed", "Failed to transcribe audio",
    'Traceback (most recent call last):\n  File "engine.py"', "<html><body>502 Bad Gateway</body></html>",
    # the same in other languages
    "in Bearbeitung", "nicht verfügbar", "Kein Transkript vorhanden", "wird verarbeitet", "en attente", "en cours",
    "non disponible", "Aucune transcription disponible", "sin transcripción", "en proceso", "não disponível",
    "sem transcrição", "in corso", "niet beschikbaar", "geen transcriptie", "brak transkrypcji", "mevcut değil",
    "в обработке", "нет расшифровки", "处理中", "暂无转写", "文字起こし処理中",
    "文字起こしはありません", "กำลังประมวลผล", "قيد الانتظار", "غير متاح",
    "Není k dispozici", "Nincs elérhető", "Ei saatavilla", "Δεν είναι διαθέσιμο", "대기 중", "처리 중",
    "đang chờ xử lý", "Không có sẵn", "Sedang diproses", "Belum tersedia", "प्रक्रिया में", "Wird noch erstellt",
    "Your transcript is being generated.", "La transcription n'est pas encore disponible",
    "Transkripsiyon bekleniyor", "Идёт расшифровка", "Transkribering pågår", "Litterointi kesken", "Wordt verwerkt",
    "Transkrypcja w toku", "转录中，请稍候", "녹취록 없음", "변환 중", "جاري المعالجة", "अभी उपलब्ध नहीं है",
    # what a service says in place of one
    "Transcription is disabled for this account", "Sorry, we could not transcribe this call.", "No audio", "Timed out",
    "Click here to view the transcript", "Upgrade your plan to see transcripts", "Service temporarily unavailable",
    "An error occurred while transcribing", "Something went wrong", "Insufficient credits", "Aufnahme zu kurz",
    "[no speech]", "(no audio)", "No speech detected", "Call too short to transcribe", "Access denied", "403 Forbidden",
    "Internal Server Error", "Rate limit exceeded", "{{transcript}}", "${transcription}", "%TRANSCRIPT%",
    "[object Object]", "Queued at 2026-11-18 09:30:00", "jobId=abc123 status=queued", "Awaiting transcription",
    # locales, links, paths, names of files, IDs
    "en-US", "de", "pt_BR", "en-US, es-ES", "https://api.example.com/v1/transcripts/123", "Transcript: https://example.com/1",
    "s3://bucket/transcripts/call 17.json", "/mnt/calls/call 17.txt", "C:\\calls\\call 17.txt", "call 17.txt",
    "true", "False", "6f2c0a0e-7c1b-4a57-9d53-0c2d4f1b9a11", "9e107d9d372bb6826bd81d3542a419d6", "job 1795014937",
    "TR1234567890", "Hello", "Hello?", "喂？",
]  # fmt: skip

SPEECH = [
    "Hello there.", "Hello.\nBye.", "Please wait.", "Yes please", "Good morning.", "Ja, 5 €.", "Grüß Gott",
    "Thanks for calling, how can I help?", "I have a pending order.", "I am waiting in the queue",
    "The file is called notes.txt, and I have sent it", "Error in my bill, can you help?", "My number is 5551234",
    "喂，你好，我想查一下订单", "もしもし、田中です。", "สวัสดีครับผมชื่อสมชาย", "مرحبا كيف حالك", "Добрый день",
    "Is my order ready?", "Your order is ready.", "My card was declined", "I have no access to my account",
    "Nobody is available right now", "Hello, [inaudible] speaking",
    "Call failed, I will try again", "Sorry, wrong number.",
    "Ja, ich warte.", "Je suis en attente", "No está disponible ahora, llame después",
    "여보세요 누구세요", "Dạ, em nghe",
    "No thanks, bye.", "Yes, still here.", "Nein danke, tschüss.", "不用了谢谢，再见吧",
    "It took too long, we were charged twice",
    "Hello, I am calling because my old school has not yet sent the transcript of records that I paid for in May.",
    "Is it available?\nNo, the transcript is not available yet.", "Call me at https://example.com please, thank you",
]  # fmt: skip


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_placeholder_is_not_a_transcript_in_any_sidecar(text):
    assert is_placeholder(text)
    documents = (
        {"transcription": text},
        {"metadata": {"transcript": text}},
        {"transcript": [text]},
        {"transcript": {"text": text, "status": "done"}},
        {"transcript": {"text": {"text": text}}},
        {"transcript": {"segments": [{"text": text, "start": 0, "end": 0}]}},
        {"transcript": json.dumps({"text": text})},
        [{"text": text}],
    )
    for document in documents:
        assert parse_sidecar(SidecarKind.JSON, json.dumps(document).encode()).transcript is None, document
    for body in (text, f"{text}\n", json.dumps({"transcription": text})):
        assert parse_sidecar(SidecarKind.TEXT, body.encode()).transcript is None, body


@pytest.mark.parametrize("text", SPEECH)
def test_speech_is_a_transcript(text):
    assert not is_placeholder(text)
    document = json.dumps({"transcription": text}).encode()
    assert parse_sidecar(SidecarKind.JSON, document).transcript.text == text
    assert parse_sidecar(SidecarKind.TEXT, text.encode()).transcript.text == text


@pytest.mark.parametrize("value", [True, False, 0, 17, 0.93, None, {}, [], {"id": 17}, [1, 2], [[["pending"]]]])
def test_value_that_is_not_text_is_not_a_transcript(value):
    for document in ({"transcription": value}, {"call": {"transcript": value}}, {"transcript": {"text": value}}):
        assert parse_sidecar(SidecarKind.JSON, json.dumps(document).encode()).transcript is None, document


def test_single_word_with_times_is_a_transcript():
    document = {"transcript": {"segments": [{"text": "Hello?", "start": 0.4, "end": 0.9}]}}
    assert parse_sidecar(SidecarKind.JSON, json.dumps(document).encode()).transcript.text == "Hello?"
