"""The audio player of a recording."""

from playwright.sync_api import Locator, Page

RECORD = """
() => {
  window.seeks = [];
  document.addEventListener("seeking", (event) => seeks.push(event.target.currentTime), true);
  window.highlighted = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) if (target.ariaCurrent === "true") highlighted.push(target.textContent);
  }).observe(document.body, { subtree: true, attributeFilter: ["aria-current"] });
}
"""


class Player:
    """The page's player, once it knows the length of the audio. Records seeks and highlighted segments from then on."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.audio: Locator = page.locator("audio")
        self._wait_for("audio?.readyState > 0")
        page.evaluate(RECORD)

    @property
    def seeks(self) -> list[float]:
        """The positions it was sent to, in seconds and in order."""
        return [round(seconds, 3) for seconds in self._page.evaluate("() => seeks")]  # cut to microseconds

    @property
    def is_paused(self) -> bool:
        return bool(self.audio.evaluate("(audio) => audio.paused"))

    @property
    def playback_rate(self) -> float:
        return float(self.audio.evaluate("(audio) => audio.playbackRate"))

    def wait_until_played(self, seconds: float) -> None:
        """Wait until it has played beyond this position."""
        self._wait_for("(!audio.paused || audio.ended) && audio.currentTime > seconds", seconds)

    def wait_until_highlighted(self, text: str) -> None:
        """Wait until a segment with this text has been highlighted, if only for a moment."""
        self._page.wait_for_function("(text) => highlighted.some((each) => each.includes(text))", arg=text)

    def wait_until_buffered(self, seconds: float) -> None:
        """Wait until everything from the current position to this one is buffered."""
        ranges = (
            "[...Array(audio.buffered.length).keys()].map((at) => [audio.buffered.start(at), audio.buffered.end(at)])"
        )
        self._wait_for(f"{ranges}.some(([start, end]) => start <= audio.currentTime && end >= seconds)", seconds)

    def pause(self) -> None:
        self.audio.evaluate("(audio) => audio.pause()")

    def seek(self, seconds: float) -> None:
        """Seek as with the player's own progress bar."""
        self.audio.evaluate("(audio, seconds) => { audio.currentTime = seconds; }", seconds)

    def _wait_for(self, condition: str, seconds: float = 0) -> None:
        function = f"(seconds) => {{ const audio = document.querySelector('audio'); return {condition}; }}"
        self._page.wait_for_function(function, arg=seconds)
