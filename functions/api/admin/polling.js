// Data from the API that is kept up to date while the tab is visible.

import { useCallback, useEffect, useRef, useState } from "./vendor/hooks.js";

const RETRY_SECONDS = 30;

// Calls `load(signal)` immediately, when `inputs` change, and every `seconds` while the tab is visible. `seconds` is a number
// or a function of the data; without it, data is loaded once. A temporary error is always retried.
//
// Data stays while it reloads, and if that fails: then `error` says why, and `loadedAt` how old the data is. Other inputs
// start without data. `refresh()` reloads immediately, and resolves when that is done.
export function usePolling(load, inputs, seconds) {
  const [state, setState] = useState({ key: null });
  const key = JSON.stringify(inputs);
  const latest = useRef(null);
  const reload = useRef(() => {});
  latest.current = { load, intervalSeconds: typeof seconds === "function" ? seconds : () => seconds };
  useEffect(() => {
    let timer = 0;
    let stopped = false;
    let retrying = false;
    let controller = new AbortController();
    const run = async () => {
      clearTimeout(timer);
      controller.abort();
      controller = new AbortController();
      const { signal } = controller;
      let result;
      try {
        result = { data: await latest.current.load(signal), error: null, loadedAt: new Date() };
      } catch (error) {
        result = { error };
      }
      if (stopped || signal.aborted) return;
      setState((previous) => ({ ...(previous.key === key ? previous : {}), ...result, key }));
      retrying = isTemporary(result.error);
      const interval = latest.current.intervalSeconds(result.data) ?? (retrying && RETRY_SECONDS);
      if (interval) timer = setTimeout(() => !document.hidden && run(), 1000 * interval);
    };
    const onVisibilityChange = () => !document.hidden && (seconds || retrying) && run();
    reload.current = run;
    run();
    document.addEventListener("visibilitychange", onVisibilityChange);
    return () => {
      stopped = true;
      clearTimeout(timer);
      controller.abort();
      document.removeEventListener("visibilitychange", onVisibilityChange);
    };
  }, [key]);
  const refresh = useCallback(() => reload.current(), []);
  const { data, error = null, loadedAt } = state.key === key ? state : {};
  return { data, error, loadedAt, refresh };
}

// The API is unreachable or overloaded.
const isTemporary = (error) => error?.status === 0 || error?.status === 429 || error?.status >= 500;

// Calls `callback` when the value changes; at most once every `minSeconds`, and then once for all changes in between.
export function useOnChange(value, callback, minSeconds = 0) {
  const previous = useRef(value);
  const lastCall = useRef(Number.NEGATIVE_INFINITY);
  const timer = useRef(0);
  useEffect(() => {
    if (previous.current !== undefined && value !== previous.current) {
      clearTimeout(timer.current);
      timer.current = setTimeout(
        () => {
          lastCall.current = Date.now();
          callback();
        },
        Math.max(0, lastCall.current + 1000 * minSeconds - Date.now()),
      );
    }
    previous.current = value;
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
}
