"""Recognise texts that are written in place of a transcript: a status, a link, a locale, a file name, an ID.

The two mistakes do not weigh the same. A placeholder that passes for a transcript loses the call for good; a transcript
that passes for a placeholder costs one transcription by the server. So a text counts as a transcript only if it looks
like speech, and a single word does not: `Hello?` is rare, and cannot be distinguished from `Wartend`.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus

from callscribe.sources.file_types import AUDIO_EXTENSIONS, SIDECAR_EXTENSIONS
from callscribe.transcripts.transcript import UNSPACED_SCRIPTS

STATUS_WORDS = frozenset(
    # en: what is or is not there, and how far it is
    "pending processing processed progress inprogress queued queue waiting running started "  # noqa: SIM905 — legible
    "scheduled submitted generated generating uploading uploaded available unavailable "
    "missing none null nil undefined nan n/a na n.a tbd todo tba empty blank unknown unsupported disabled skipped "
    "cancelled canceled aborted failed failure error timeout timed expired completed complete done finished success ok "
    "ready placeholder status state awaiting speech detected silence silent audio occurred wrong temporarily "
    "enabled content data coming expected eta short limit exceeded quota denied forbidden unauthorized feature "
    "insufficient credit credits license service position "
    # de
    "ausstehend bearbeitung verarbeitung verarbeitet verfügbar fehlgeschlagen fehler abgeschlossen fertig vorhanden "
    "warteschlange deaktiviert leer erstellt wartet sprache erkannt kurz "
    # fr
    "attente cours traitement disponible indisponible échec échouée erreur terminé terminée vide désactivé "
    # es, pt
    "pendiente proceso procesando curso fallido fallida completado completada deshabilitado vacío "
    "pendente processamento processando andamento disponível indisponível erro falhou concluído concluída "
    # it, nl
    "attesa corso elaborazione disponibile errore fallito completato behandeling beschikbaar verwerkt "
    "mislukt fout voltooid wachtrij "
    # pl, cs, sv, da, nb, fi, hu, ro, tr
    "oczekuje toku przetwarzania dispozici käsitellään saatavilla odottaa elérhető "
    "feldolgozás disponibil curs prelucrare hazırlanıyor "
    "przetwarzanie niedostępna niedostępny niedostępne błąd zakończono "
    "čeká zpracovává chyba väntar bearbetas tillgänglig saknas misslyckades behandles "
    "tilgængelig tilgjengelig bekliyor beklemede işleniyor mevcut hata tamamlandı hazır "
    # el, ru, uk
    "διαθέσιμο διαθέσιμη εξέλιξη αναμονή επεξεργασία "
    "обработки обработке обработка обрабатывается ожидание ожидании ожидает очереди недоступно недоступна недоступен "
    "ошибка готово завершено обробці обробка очікування помилка "
    # ar, he, hi, ko, vi, id
    "الانتظار المعالجة متاح متوفر النص نص خطأ זמין בעיבוד ממתין בהמתנה उपलब्ध प्रक्रिया प्रतीक्षा लंबित "
    "대기 처리 변환 실패 완료 오류 처리중 대기중 사용할 sẵn xử lý chờ lỗi diproses tersedia menunggu gagal".split()
)
"""Words of which a status consists, in lower case. One of them must occur in it."""

FILLER_WORDS = frozenset(
    "the a an is are was be been being has have not no yet still currently already will soon later now for of to this "  # noqa: SIM905 — legible
    "that call recording file text job request in on by with and or please wait check back again "
    "could cannot can't due after before under found set received created attempt retry language at too id "
    "minutes minute seconds rate access we your something went out while temporary "
    # de, fr, es, pt, it, nl, pl, sv, tr
    "der die das ist wird wurde nicht kein keine noch in zu zur zum von für auf bitte warten läuft aufnahme anruf "
    "le la les est en non pas aucun aucune pour de du cet cette appel encore veuillez patienter "
    "el la no sin está aún para esta llamada por favor espere "
    "não sem está ainda para esta chamada aguarde em "
    "il la non nessuna nessun è ancora in per questa attendere "
    "geen niet is wordt nog het de in voor dit gesprek "
    "brak nie jest w trakcie dla ingen inte är ännu ej ikke er ennå değil yok henüz için "
    # cs, fi, hu, ro, vi, id, el
    "není se k ei ole vielä nincs alatt în đang không có sedang belum tidak δεν είναι σε "
    # ru, uk, ar, he, hi, ko
    "में नहीं है अभी 중 없음 수 "
    "в на нет не ещё еще нету для звонка немає ще قيد غير لا يوجد في جاري לא אין".split()
)
"""Words around a status word, in lower case. Alone they may be speech: `Please wait.`"""

TRANSCRIPTION = re.compile(
    "transs?[ck]r[iy]|trascri|litteroi|přepis|átirat|απομαγνητ|расшифр|розшифр|транскри|تفريغ|תמלול|녹취|전사|"
    "文字起こし|書き起こし|转写|转录|轉錄"
)
"""What a transcription or a transcript is called, as a part of a word. Hardly any short call is about one."""

MAX_UNSPACED_STATUS = 24
"""Letters of a status in a language without spaces."""

UNSPACED_STATUS = re.compile(
    "(?:通話|音声|识别|辨識|文本|录音|錄音|正在|目前|暂|暫|尚|未|没有|沒有|等待|排队|待|已|中|无|無|なし|ありません|"
    "処理|保留|待機|準備|失敗|失败|完成|完了|利用|不可|できません|エラー|错误|錯誤|处理|處理|进行|進行|可用|不|は|を|が|の|です|"
    "กำลัง|ประมวลผล|รอ|ดำเนินการ|ไม่มี|ข้อความ|ล้มเหลว)+"
)
"""A status in Chinese, Japanese or Thai, without its spaces."""

MIN_UNSPACED_LETTERS = 6
"""Chinese, Japanese and Thai are written without spaces, so a token of this length may be a sentence."""

UNSPACED_LETTERS = re.compile(f"[{UNSPACED_SCRIPTS}]")

MAX_PLACEHOLDER_LENGTH = 2_000
"""Characters that are examined. A longer text is judged by its beginning."""

MAX_STATUS_TOKENS = 16
"""A longer text is speech, even if it consists of such words."""

ERROR_MESSAGE = re.compile(
    r"""
    (?:(?:internal|fatal|server|api|http)\s+)?
      (?:error|exception|failure|failed|warning|fehler|erreur|erro|errore|ошибка)
      \s* (?:\(?[\w.-]*\d[\w.-]*\)?\s*)? [:=-]\s.*
    | (?:could\ not|couldn't|failed\ to|unable\ to|cannot)\s+(?:be\s+)?
      (?:transcribe|process|generate|download|fetch|load|decode|open)\b.*
    | traceback\ \(most\ recent\ call\ last\).* | <!doctype\b.* | <html\b.* | <\?xml\b.*""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
"""A message of a program, or the error page of a server, instead of a transcript."""

HTTP_PHRASES = "|".join(status.phrase for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST)
HTTP_ERROR = re.compile(rf"(?:http )?(?:[45]\d\d )?(?:{HTTP_PHRASES})[.!]?", re.IGNORECASE)
"""The response of a server that has failed: `503 Service Unavailable`."""

FILE_EXTENSION = rf"\.(?:{'|'.join(sorted(AUDIO_EXTENSIONS | SIDECAR_EXTENSIONS))}|vtt|srt|html?|pdf|docx?)"
PATH = re.compile(
    rf"(?:[A-Za-z]:[\\/]|[\\/]|~/|\.\.?[\\/]|[a-z][a-z0-9+.-]*://).*|(?:\S+\s){{0,5}}\S*{FILE_EXTENSION}",
    re.IGNORECASE,
)
"""A path, a link, or the name of a file; both may contain spaces."""

ANNOTATION = re.compile(r"\[[^\[\]]*\] | \([^()]*\) | [$%#]?\{+[^{}]*\}+ | <[^<>]*> | %\S+%", re.VERBOSE)
"""A text in brackets is about the call, such as `[no speech]`, or a variable that nobody has replaced."""

LOCALE = re.compile("[a-z]{2,3}[-_][a-z]{2}")

PUNCTUATION = "\"'`´“”‘’«»„.,;:!?…。！？、，*_-–—~=#|<>()[]{}/\\ \t\u200b\ufeff"
LETTER = re.compile(r"[^\W\d_]")


def is_placeholder(text: str) -> bool:
    """Whether a text without times is not a transcript: blank, without letters, one word, a status, a path, an error.

    `text` may have several lines.
    """
    text = text.strip()[:MAX_PLACEHOLDER_LENGTH]
    tokens = [token for token in (each.strip(PUNCTUATION).casefold() for each in text.split()) if token]
    if not tokens or not LETTER.search(text) or ERROR_MESSAGE.fullmatch(text):
        return True
    if "\n" not in text and any(pattern.fullmatch(text) for pattern in (PATH, ANNOTATION, HTTP_ERROR)):
        return True
    if UNSPACED_LETTERS.search(text):
        return _is_unspaced_placeholder(text)
    if len(tokens) == 1:
        return True
    return len(tokens) <= MAX_STATUS_TOKENS and _is_status(tokens, is_one_line="\n" not in text)


def _is_unspaced_placeholder(text: str) -> bool:
    letters = "".join(each for each in text if each.isalnum() or UNSPACED_LETTERS.match(each))
    if len(letters) < MIN_UNSPACED_LETTERS or UNSPACED_STATUS.fullmatch(letters):
        return True
    return len(letters) <= MAX_UNSPACED_STATUS and TRANSCRIPTION.search(letters) is not None


def _is_status(tokens: Sequence[str], *, is_one_line: bool) -> bool:
    """Whether the tokens are one line about a transcription, or only words of a status."""
    words = {word for token in tokens if not _is_identifier(token) for word in re.split("[_=:-]+", token)}
    about_transcription = set(filter(TRANSCRIPTION.search, words))
    if about_transcription and is_one_line:
        return True
    if not words - about_transcription <= STATUS_WORDS | FILLER_WORDS:
        return False
    return not words <= FILLER_WORDS or any(map(_is_identifier, tokens))


def _is_identifier(token: str) -> bool:
    """Whether a token is a number, an ID, a time, a locale or a link rather than a word."""
    return "://" in token or LOCALE.fullmatch(token) is not None or any(character.isdigit() for character in token)
