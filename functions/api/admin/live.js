// What is read from the API and kept up to date, as long as somebody can see it.
import { useCallback, useEffect, useRef, useState } from "./vendor/hooks.js";

const AFTER_TROUBLE_SECONDS = 30;

// `load(signal)` is called at once, whenever `inputs` change, and every so many `seconds` while the tab is visible (never
// again without them; they may depend on what was read). What was read stays while it is read anew, and also where that
// fails: `error` then says why, and `at` of when the data is; trouble that passes is always tried again. Other inputs begin
// with nothing. `again()` reads at once, and ends when that is done.
export function useLive(load, inputs, seconds) {
  const [state, setState] = useState({ key: null });
  const key = JSON.stringify(inputs);
  const latest = useRef(null);
  const wake = useRef(() => {});
  latest.current = { load, pause: typeof seconds === "function" ? seconds : () => seconds };
  useEffect(() => {
    let timer = 0;
    let ended = false;
    let troubled = false;
    let control = new AbortController();
    const look = async () => {
      clearTimeout(timer);
      control.abort();
      control = new AbortController();
      const own = control;
      let found;
      try {
        found = { data: await latest.current.load(own.signal), error: null, at: new Date() };
      } catch (error) {
        found = { error };
      }
      if (ended || own.signal.aborted) return;
      setState((before) => ({ ...(before.key === key ? before : {}), ...found, key }));
      troubled = passes(found.error);
      const pause = latest.current.pause(found.data) ?? (troubled && AFTER_TROUBLE_SECONDS);
      if (pause) timer = setTimeout(() => !document.hidden && look(), 1000 * pause);
    };
    const seen = () => !document.hidden && (seconds || troubled) && look();
    wake.current = look;
    look();
    document.addEventListener("visibilitychange", seen);
    return () => {
      ended = true;
      clearTimeout(timer);
      control.abort();
      document.removeEventListener("visibilitychange", seen);
    };
  }, [key]);
  const again = useCallback(() => wake.current(), []);
  const own = state.key === key ? state : {};
  return { data: own.data, error: own.error ?? null, at: own.at, again };
}

// Nobody is there, or has room at this moment.
const passes = (error) => error?.status === 0 || error?.status === 429 || error?.status >= 500;

// Calls `act` when the value becomes another one than it was; no more often than every so many `seconds`, and then once
// for all that has changed meanwhile.
export function useAtChange(value, act, seconds = 0) {
  const before = useRef(value);
  const last = useRef(Number.NEGATIVE_INFINITY);
  const timer = useRef(0);
  useEffect(() => {
    if (before.current !== undefined && value !== before.current) {
      clearTimeout(timer.current);
      timer.current = setTimeout(
        () => {
          last.current = Date.now();
          act();
        },
        Math.max(0, last.current + 1000 * seconds - Date.now()),
      );
    }
    before.current = value;
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
}
