"""Phrases that Whisper learned from subtitles of videos, and writes for silence, noise and music.

Collected from https://github.com/openai/whisper/discussions/928 and issues of projects that use Whisper. Only phrases
that nobody says in a phone call are here: "Thank you." and "See you next time." are not.
"""

SUBTITLE_PHRASES = r"""
(thank you|thanks)( so much| very much)? for (your )?watching( (this|my|the) (video|channel))?
(please )?(like and )?subscribe( (to|for) (my|our|the) channel)?
(please )?(do not|don t) forget to (like and )?subscribe|(i ll )?see you (in the )?next video
(subtitles|captions|transcription|translation|translated|transcribed) by( \w+){1,5}
closed caption(s|ing) provided by( \w+){1,5}|subs by( \w+){1,4}|www mooji org|transcript emily beynon
(upbeat |soft |gentle |dramatic )?music( playing)?|applause|blank audio|silence|no speech|inaudible
untertitel(ung)?( \w+){0,7} (amara org|zdf|swr|br|ndr|ard|funk)( \w+){0,7}|untertitel(ung)? von( \w+){1,4}
(copyright )?(wdr|swr|ndr|zdf) \d{4}|(vielen dank|danke) (für s|fürs|für das) (zuschauen|zusehen)
sous titr(es|age)( \w+){0,7} (amara org|radio canada|501)( \w+){0,7}
sous titres (par|réalisés par|faits? par)( \w+){1,5}|merci d avoir regardé( (cette|la) vidéo)?
(n oubliez pas de vous abonner|abonnez vous)( à la chaîne)?|(subt[ií]tulos|subtitulado)( \w+){0,7} amara org
(muchas )?gracias por (ver|mirar)( (el|este|nuestro) v[ií]deo)?|suscr[ií]bete( (al|a mi) canal)?( para más)?
sottotitoli( \w+){0,7} (amara org|qtss)|sottotitoli (a cura di|di)( \w+){1,4}
grazie per (aver guardato|la visione)( (il|questo) video)?|iscriviti al( mio)? canale
legendas?( \w+){0,7} amara org|legendas? por( \w+){1,4}|obrigad[oa] por assistir(em)?( (o|ao|a este) vídeo)?
inscreva se (no|em nosso) canal|ondertite\w+( \w+){0,7} amara org( \w+){0,7}|ondertiteld? door( \w+){1,4}
(bedankt|dank u|dank je) voor het kijken|tv gelderland \d{4}|napisy( \w+){0,7} amara org
napisy stworzone przez( \w+){1,5}|(dziękuję|dziękujemy|dzięki) za oglądanie
субтитры (сделал|создавал|подогнал|подготовил|добавил)\w*( \w+){0,4}|(редактор|корректор) субтитров( \w+){0,7}
продолжение следует|(большое )?спасибо за просмотр|подп(исывайтесь|ишитесь) на( (мой|наш|этот))? канал
с вами был игорь негода|дякую за перегляд|підписуйтесь на( (мій|наш))? канал|titulky vytvo[rř]il( \w+){1,4}
děkuj(i|eme) za (sledování|pozornost a sledování)|(ďakujem|ďakujeme) za sledovanie|altyazı( \w+){1,3}
izlediğiniz için teşekkür(ler| ederim| ederiz)|abone olmayı unutmayın|ترجمة نانسي قنقر|اشتركوا في القناة
شكرا (على|لكم على)? ?(ال|لل)?مشاهدة|תודה (רבה )?(על )?[לה]?צפייה
(undertexter|textning)( \w+){0,7} (amara org|btistudios com)( \w+){0,7}
tack för att (ni|du) (tittade|har tittat)|(undertekster|teksting|danske tekster|tekstet) (av|af)( \w+){1,4}
takk for at (du|dere) (så på|så med)|tak fordi (du|i) (så|kiggede) med|tekstitys( \w+){1,4}
kiitos (katsomisesta|kun katsoit|että katsoit)|υπότιτλοι( \w+){1,3}|ευχαριστ(ώ|ούμε) που παρακολουθήσατε
köszön(öm|jük) hogy (megnézt\w+|néztetek)|(vă )?mulțumesc pentru (vizionare|că ați urmărit)
nu uitați să vă abonați( la canal)?|cảm ơn các bạn đã (theo dõi|xem)( video)?
hãy (đăng ký|subscribe)( \w+){0,7} kênh( \w+){0,7}|hẹn gặp lại( \w+){0,7} video tiếp theo
terima kasih (telah|sudah) menonton|देखने के लिए धन्यवाद|ขอบคุณที่รับชม|โปรดติดตามตอนต่อไป
subt[ií]tols( \w+){0,7} amara org|ご(視聴|清聴)(いただき)?ありがとうござい(ました|ます)
(最後まで)?(ご視聴|ご覧)いただ(き|きまして)ありがとうござい(ました|ます)
チャンネル登録(を)?(よろしく)?(お願い(いた)?します)?|(次|次回)の動画でお会いしましょう|字幕 ?by ?\w+
字幕由 ?amara org ?(社区|社區|社群)提供|(中文)?字幕(志[愿願]者|提供)( \w+){0,3}|请不吝点赞( ?\w+){0,7}
請不吝點贊( ?\w+){0,7}|(谢谢|謝謝|感谢|感謝|多謝)(您的|大家)?(观看|觀看|收看|收听|收聽)|优优独播剧场( ?\w+){0,7}
(끝까지 )?시청(해|하여) ?주셔서 감사합니다|구독과 좋아요(를)?( \w+){0,3}|한글 ?자막 by( \w+){1,3}
다음 (영상|시간)에서? 만나요|mbc 뉴스 \w+입니다
"""
"""One or several regular expressions a line, for text in lower case in which punctuation is replaced by spaces."""
