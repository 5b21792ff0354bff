// What is read from the API and kept up to date, as long as somebody can see it.
import { useCallback, useEffect, useRef, useState } from "./vendor/hooks.js";

// `load(signal)` is called at once, whenever `inputs` change, and every so many `seconds` while the tab is visible (never
// again without them). What was read stays while it is read anew, and also where that fails: `error` then says why, and
// `at` of when the data is. Other inputs begin with nothing. `again()` reads at once, and ends when that
// is done.
export function useLive(load, inputs, seconds) {
  const [state, setState] = useState({ key: null });
  const key = JSON.stringify(inputs);
  const latest = useRef(load);
  const wake = useRef(() => {});
  latest.current = load;
  useEffect(() => {
    let timer = 0;
    let ended = false;
    let control = new AbortController();
    const look = async () => {
      clearTimeout(timer);
      control.abort();
      control = new AbortController();
      const own = control;
      let found;
      try {
        found = { data: await latest.current(own.signal), error: null, at: new Date() };
      } catch (error) {
        found = { error };
      }
      if (ended || own.signal.aborted) return;
      setState((before) => ({ ...(before.key === key ? before : {}), ...found, key }));
      if (seconds) timer = setTimeout(() => !document.hidden && look(), 1000 * seconds);
    };
    const seen = () => !document.hidden && seconds && look();
    wake.current = look;
    look();
    document.addEventListener("visibilitychange", seen);
    return () => {
      ended = true;
      clearTimeout(timer);
      control.abort();
      document.removeEventListener("visibilitychange", seen);
    };
  }, [key, seconds]);
  const again = useCallback(() => wake.current(), []);
  const own = state.key === key ? state : {};
  return { data: own.data, error: own.error ?? null, at: own.at, again };
}

// Calls `act` when the value becomes another one than it was.
export function useAtChange(value, act) {
  const before = useRef(value);
  useEffect(() => {
    if (before.current !== undefined && value !== before.current) act();
    before.current = value;
  }, [value]);
}
