"""The player of a recording, as somebody hears it."""

from playwright.sync_api import Locator, Page

NOTE = """
() => {
  window.sought = [];
  document.addEventListener("seeking", (event) => sought.push(event.target.currentTime), true);
  window.lit = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) if (target.ariaCurrent === "true") lit.push(target.textContent);
  }).observe(document.body, { subtree: true, attributeFilter: ["aria-current"] });
}
"""


class Player:
    """That of the page, once it knows how long the call is. Notes where it is sent to and what is lit from now on."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.audio: Locator = page.locator("audio")
        self._wait("audio?.readyState > 0")
        page.evaluate(NOTE)

    @property
    def sought(self) -> list[float]:
        """Where it was sent to, in seconds and in order."""
        return [round(each, 3) for each in self._page.evaluate("() => sought")]  # it is cut at a millionth

    @property
    def paused(self) -> bool:
        return bool(self.audio.evaluate("(audio) => audio.paused"))

    @property
    def rate(self) -> float:
        return float(self.audio.evaluate("(audio) => audio.playbackRate"))

    def plays_beyond(self, seconds: float) -> None:
        """Waits until it has played so far."""
        self._wait("(!audio.paused || audio.ended) && audio.currentTime > seconds", seconds)

    def lights(self, text: str) -> None:
        """Waits until a sentence with this text has been lit, if only for a moment."""
        self._page.wait_for_function("(text) => lit.some((each) => each.includes(text))", arg=text)

    def pause(self) -> None:
        self.audio.evaluate("(audio) => audio.pause()")

    def has_until(self, seconds: float) -> None:
        """Waits until all from where it is up to there has come."""
        ranges = (
            "[...Array(audio.buffered.length).keys()].map((at) => [audio.buffered.start(at), audio.buffered.end(at)])"
        )
        self._wait(f"{ranges}.some(([from, to]) => from <= audio.currentTime && to >= seconds)", seconds)

    def go_to(self, seconds: float) -> None:
        """As with its own bar."""
        self.audio.evaluate("(audio, seconds) => { audio.currentTime = seconds; }", seconds)

    def _wait(self, condition: str, seconds: float = 0) -> None:
        look = f"(seconds) => {{ const audio = document.querySelector('audio'); return {condition}; }}"
        self._page.wait_for_function(look, arg=seconds)
