// Formatting of numbers, times and codes. Pure functions: `now` is a parameter. Times are in the viewer's time zone.

const NUMBER = new Intl.NumberFormat();
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const DATE_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const RELATIVE_TIME = new Intl.RelativeTimeFormat("en", { numeric: "auto" }); // used within English sentences

export const STATUS_LABELS = {
  pending: "Pending",
  queued: "Queued",
  processing: "Processing",
  completed: "Completed",
  failed: "Failed",
};

export const TASK_LABELS = {
  sync_recordings: "Find recordings",
  queue_transcriptions: "Queue",
  process_transcription: "Transcribe",
  retry_recordings: "Retry",
};

export const RUN_STATUS_LABELS = {
  succeeded: "Succeeded",
  failed: "Failed",
  died: "Died",
  skipped: "Skipped",
  running: "Running",
};

export const TRIGGER_LABELS = { schedule: "Schedule", api: "API", upload: "Upload" };

export const DIRECTION_LABELS = { inbound: "Inbound", outbound: "Outbound", internal: "Internal" };

// Counts of a run whose names in the API need other words; all others are humanized.
const COUNT_LABELS = {
  conflicts: "changed in the meantime",
  duplicates: "in another format",
  empty: "without audio",
  expired: "deleted after the retention period",
  in_transfer: "still being uploaded",
  jobs_pending: "in progress on the server",
  path_too_long: "with a path that is too long",
  moved: "converted or renamed",
  past_retention: "older than the retention period",
  recovered: "recovered after a crash",
  sidecars_unreadable: "unreadable as metadata",
  waiting: "incomplete",
};

export const formatNumber = (value) => NUMBER.format(value);

export const pluralize = (count, singular, plural = `${singular}s`) =>
  `${formatNumber(count)} ${count === 1 ? singular : plural}`;

export const formatDate = (timestamp) => DATE.format(new Date(timestamp));
export const formatDateTime = (timestamp) => DATE_AND_TIME.format(new Date(timestamp));
export const formatTime = (timestamp) => TIME.format(new Date(timestamp));

// UTC, to the second: `2026-11-18 09:30:12 UTC`.
export const formatUtc = (timestamp) => `${new Date(timestamp).toISOString().slice(0, 19).replace("T", " ")} UTC`;

// The time alone if it is today, otherwise with its date.
export function formatShortDateTime(timestamp) {
  const time = formatTime(timestamp);
  return formatDate(timestamp) === formatDate(Date.now()) ? time : `${formatDate(timestamp)}, ${time}`;
}

// `2 minutes ago`, `in 3 hours`.
export function formatRelativeTime(timestamp, now = Date.now()) {
  const seconds = (new Date(timestamp) - now) / 1000;
  const [size, unit] = [
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ].find(([size]) => Math.abs(seconds) >= size) ?? [1, "second"];
  return RELATIVE_TIME.format(Math.trunc(seconds / size), unit);
}

// The two largest units: `0.4 s`, `45 s`, `12 min 5 s`, `3 h 20 min`, `2 d 4 h`.
export function formatDuration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const units = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = units.findIndex(([value]) => value);
  return units
    .slice(first, first + 2)
    .filter(([value]) => value)
    .map((unit) => unit.join(" "))
    .join(" ");
}

// A position in the audio, or its length: `0:06`, `12:34`, `1:02:03`.
export function formatPosition(seconds) {
  const whole = Math.floor(seconds);
  const twoDigits = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${twoDigits(minutes)}:${twoDigits(whole % 60)}` : `${minutes}:${twoDigits(whole % 60)}`;
}

export function formatBytes(value) {
  const [size, unit] = [
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "kB"],
  ].find(([size]) => value >= size) ?? [1, "bytes"];
  return `${size === 1 ? formatNumber(value) : (value / size).toFixed(value < 10 * size ? 1 : 0)} ${unit}`;
}

export const fileName = (path) => path.slice(path.lastIndexOf("/") + 1);

// `service_error` as `service error`.
export const humanize = (code) => code.replaceAll("_", " ").replace("gpu", "GPU");

export const capitalize = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// The counts of a run that are not zero: `12 listed, 1 added, 3 incomplete`. A number and its label stay on one line.
export function runSummary({ incomplete, audio_seconds: audioSeconds, ...counts }) {
  const parts = Object.entries(counts)
    .filter(([, count]) => count)
    .map(([name, count]) => `${formatNumber(count)}\u00a0${COUNT_LABELS[name] ?? humanize(name)}`);
  if (audioSeconds) parts.push(`${formatDuration(audioSeconds)} of audio`);
  if (incomplete) parts.push("stopped early: the next scan finds the rest");
  return parts.join(", ") || "nothing to do";
}

// The progress of a recording, and what happens next: a list of texts, or of [text, timestamp].
export function progressSummary(recording, now = Date.now()) {
  const { transcriptionStatus, attempts, error, statusSince, nextAttemptAt, transcript } = recording;
  const attempt = `attempt ${attempts} of ${Math.max(attempts, recording.maxAttempts)}`;
  const reason = error && String(error.httpStatus ?? humanize(error.code));
  const parts = {
    pending: () => ["found", "will be queued at the next run"],
    queued: () => [
      ["queued since", statusSince],
      attempts && `next: attempt ${attempts + 1}`,
      error && `last error: ${reason}`,
    ],
    processing: () => [attempt, jobProgress(recording)],
    failed: () => [attempt, reason, nextAttempt(nextAttemptAt, now)],
    completed: () => [
      ["transcribed", statusSince],
      transcript?.noSpeech && "no speech",
      transcript?.partial && "one channel is missing",
    ],
  }[transcriptionStatus]();
  return parts.filter(Boolean);
}

// What the recording waits for: the server, or its job. The recording of a lost job is sent again.
function jobProgress({ statusSince, jobStartedAt, jobPresumedLostAt, jobDeadline }) {
  if (jobPresumedLostAt) return ["its job may be lost, waiting for it until", jobDeadline];
  return jobStartedAt ? ["job running since", jobStartedAt] : ["since", statusSince];
}

// A retry that is due also waits until the queue is empty.
function nextAttempt(nextAttemptAt, now) {
  if (!nextAttemptAt) return "needs manual retry";
  return new Date(nextAttemptAt) > now ? ["next attempt", nextAttemptAt] : "retries when the queue is empty";
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff]/;

// Isolated, so that a right-to-left name does not reverse the order around the arrow. The mark in front makes the title
// itself left-to-right: `dir="auto"` looks into isolates, and the arrow would point at the caller.
const isolate = (name) => (RIGHT_TO_LEFT.test(name) ? `\u200e\u2068${name}\u2069` : name);

// The parties of a call, as far as they are known; null if none is. An arrow means that it is known who called.
export function callTitle({ caller, callee, remoteNumber, extension }) {
  if (caller || callee) return `${isolate(caller ?? "unknown")} → ${isolate(callee ?? "unknown")}`;
  return [remoteNumber, extension].filter(Boolean).join(" – ") || null;
}
