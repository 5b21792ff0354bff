"""The languages that servers report, by code and by name."""

import re

ISO_639 = """
af afr afrikaans|am amh amharic|ar ara arabic|as asm assamese|az aze azerbaijani|ba bak bashkir|be bel belarusian
bg bul bulgarian|bn ben bengali|bo bod tib tibetan|br bre breton|bs bos bosnian|ca cat catalan valencian
cs ces cze czech|cy cym wel welsh|da dan danish|de deu ger german|el ell gre greek|en eng english
es spa spanish castilian|et est estonian|eu eus baq basque|fa fas per persian farsi|fi fin finnish|fo fao faroese
fr fra fre french|gl glg galician|gu guj gujarati|ha hau hausa|haw hawaiian|he iw heb hebrew|hi hin hindi
hr hrv croatian|ht hat haitian_creole haitian|hu hun hungarian|hy hye arm armenian|id in ind indonesian
is isl ice icelandic|it ita italian|ja jpn japanese|jv jw jav javanese|ka kat geo georgian|kk kaz kazakh|km khm khmer
kn kan kannada|ko kor korean|la lat latin|lb ltz luxembourgish letzeburgesch|ln lin lingala|lo lao|lt lit lithuanian
lv lav latvian|mg mlg malagasy|mi mri mao maori|mk mkd mac macedonian|ml mal malayalam|mn mon mongolian|mr mar marathi
ms msa may malay|mt mlt maltese|my mya bur myanmar burmese|ne nep nepali|nl nld dut dutch flemish|nn nno nynorsk
no nor norwegian|oc oci occitan|pa pan punjabi panjabi|pl pol polish|ps pus pashto pushto|pt por portuguese
ro ron rum romanian moldavian moldovan|ru rus russian|sa san sanskrit|sd snd sindhi|si sin sinhala sinhalese
sk slk slo slovak|sl slv slovenian|sn sna shona|so som somali|sq sqi alb albanian|sr srp serbian|su sun sundanese
sv swe swedish|sw swa swahili|ta tam tamil|te tel telugu|tg tgk tajik|th tha thai|tk tuk turkmen|tl fil tgl tagalog
tr tur turkish|tt tat tatar|uk ukr ukrainian|ur urd urdu|uz uzb uzbek|vi vie vietnamese|yi ji yid yiddish
yo yor yoruba|yue cantonese|zh zho chi cmn chinese mandarin
"""
"""Whisper's languages (whisper/tokenizer.py): the ISO 639-1 code, or 639-3 for those without one; then other codes and
names in English."""

LANGUAGE_CODES = {name: entry.split()[0] for entry in re.split(r"[|\n]", ISO_639.strip()) for name in entry.split()}

NO_LANGUAGES = {"", "auto", "none", "null", "und", "unknown"}
"""What servers report when they have not detected one."""

MAX_LANGUAGE_LENGTH = 35
"""Characters; RFC 5646 recommends room for language tags of this length."""
