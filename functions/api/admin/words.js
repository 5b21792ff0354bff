// Numbers, times and states as words. Pure: what they need is given to them; times are shown in the viewer's zone.

const NUMBER = new Intl.NumberFormat();
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const DAY_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" }); // it stands within sentences

export const STATUSES = {
  pending: "Pending",
  queued: "Queued",
  processing: "Processing",
  completed: "Completed",
  failed: "Failed",
};

export const TASKS = {
  sync_recordings: "Find recordings",
  queue_transcriptions: "Put them in line",
  process_transcription: "Transcribe",
  retry_recordings: "Retry",
};

export const OUTCOMES = {
  succeeded: "succeeded",
  failed: "failed",
  died: "died",
  skipped: "skipped",
  running: "running",
};

export const DIRECTIONS = { inbound: "Inbound", outbound: "Outbound", internal: "Internal" };

export const number = (value) => NUMBER.format(value);

export const plural = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

export const day = (moment) => DAY.format(new Date(moment));
export const dayAndTime = (moment) => DAY_AND_TIME.format(new Date(moment));
export const time = (moment) => TIME.format(new Date(moment));

// As UTC, to the second: 2026-11-18 09:30:12 UTC.
export const utc = (moment) => `${new Date(moment).toISOString().slice(0, 19).replace("T", " ")} UTC`;

// `2 minutes ago`, `in 3 hours`.
export function relative(moment, now = Date.now()) {
  const seconds = (new Date(moment) - now) / 1000;
  const [size, unit] = [
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ].find(([size]) => Math.abs(seconds) >= size) ?? [1, "second"];
  return RELATIVE.format(Math.trunc(seconds / size), unit);
}

// `0.4 s`, `45 s`, `12 min 5 s`, `3 h 20 min`, `2 d 4 h`.
export function span(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const parts = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value);
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value)
    .map((part) => part.join(" "))
    .join(" ");
}

// Of a recording: `0:06`, `12:34`, `1:02:03`.
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

export function bytes(value) {
  const [size, unit] = [
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "kB"],
  ].find(([size]) => value >= size) ?? [1, "bytes"];
  return `${size === 1 ? number(value) : (value / size).toFixed(value < 10 * size ? 1 : 0)} ${unit}`;
}

export const fileName = (path) => path.slice(path.lastIndexOf("/") + 1);

// `service_error` as `service error`.
export const spelt = (code) => code.replaceAll("_", " ");

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// Why it failed, as short as it can be: the status of HTTP where the service answered, else the error's name.
export const reason = (error) => String(error.httpStatus ?? spelt(error.code));

// Where a recording is on its way, and what comes next, in parts; a part that is a list has a time at its end.
export function way(recording, now = Date.now()) {
  const {
    transcriptionStatus: status,
    attempts,
    maxAttempts,
    error,
    statusSince,
    nextAttemptAt,
    transcript,
  } = recording;
  const attempt = `attempt ${attempts} of ${Math.max(attempts, maxAttempts)}`;
  const parts = {
    pending: () => ["found", "queued at the next run"],
    queued: () => [
      ["in line since", statusSince],
      attempts && `attempt ${attempts + 1} comes`,
      error && `last ${reason(error)}`,
    ],
    processing: () => [
      attempt,
      recording.jobStartedAt ? ["the service works on it since", recording.jobStartedAt] : ["since", statusSince],
    ],
    failed: () => [attempt, error && reason(error), comes(nextAttemptAt, now)],
    completed: () => [
      ["transcribed", statusSince],
      transcript?.noSpeech && "nobody speaks",
      transcript?.partial && "one channel is missing",
    ],
  }[status]();
  return parts.filter(Boolean);
}

// What is tried again waits for its time, and then for a moment when nothing is queued.
function comes(nextAttemptAt, now) {
  if (!nextAttemptAt) return "waits for a person";
  return new Date(nextAttemptAt) > now ? ["next", nextAttemptAt] : "next once the line is empty";
}

// The time alone where it is today's, else with its day.
export function near(moment) {
  return day(moment) === day(Date.now()) ? time(moment) : `${day(moment)}, ${time(moment)}`;
}

// Who spoke with whom, as far as it is known; null where nothing is.
export function between({ caller, callee, remoteNumber, extension }) {
  if (caller || callee) return `${caller ?? "unknown"} → ${callee ?? "unknown"}`;
  return [remoteNumber, extension].filter(Boolean).join(" – ") || null;
}
