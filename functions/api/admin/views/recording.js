// One recording: the player and the transcript side by side with its metadata and history.

import { fetchFile, request } from "../api.js";
import {
  ActionResult,
  Ago,
  ConfirmDialog,
  EmptyState,
  Notice,
  PageHeading,
  Polled,
  Progress,
  StatusBadge,
  Time,
  useAction,
} from "../components.js";
import { saveFile } from "../download.js";
import { callTitle, fileName, formatDateTime } from "../format.js";
import { History } from "../history.js";
import { html } from "../html.js";
import { Metadata } from "../metadata.js";
import { Player } from "../player.js";
import { useOnChange, usePolling } from "../polling.js";
import { Link, navigate, urlFor } from "../router.js";
import { Transcript } from "../transcript.js";
import { useRef, useState } from "../vendor/hooks.js";

const REFRESH_SECONDS = { pending: 15, queued: 5, processing: 3 };
const DEFAULT_REFRESH_SECONDS = 30;
const FORMATS = { txt: "Text", srt: "SubRip (SRT)", vtt: "WebVTT (VTT)", json: "JSON" };

export default function Recording({ id, query }) {
  const source = usePolling(
    (signal) => request(`/api/call-recordings/${id}`, { signal }),
    [id],
    (recording) => REFRESH_SECONDS[recording?.transcriptionStatus] ?? DEFAULT_REFRESH_SECONDS,
  );
  const { data: recording, error, refresh } = source;
  if (error?.status === 404 && !recording) {
    return html`<${PageHeading} title="Recording not found" />
      <${EmptyState} title="There is no recording with this ID.">
        It may have been deleted. <${Link} href=${urlFor("recordings")}>View all recordings<//>
      <//>`;
  }
  return html`<${PageHeading} title=${recording ? (callTitle(recording) ?? fileName(recording.path)) : "Recording"}>
      ${recording && html`<${TranscribeButton} recording=${recording} refresh=${refresh} />`}
    <//>
    <${Polled} source=${source}>${() => html`<${Details} recording=${recording} version=${query.version} refresh=${refresh} />`}<//>`;
}

function Details({ recording, version, refresh }) {
  const { id, path, transcript, recordedAt, transcriptionStatus: status, sourceMissing } = recording;
  const audio = useRef(null);
  const versions = usePolling((signal) => request(`/api/call-recordings/${id}/transcript/versions`, { signal }), [id]);
  useOnChange(transcript?.version ?? null, versions.refresh);
  const stored = versions.data?.items ?? [];
  return html`<p class="lead">
      <${StatusBadge} status=${status} /> <span><${Progress} recording=${recording} /></span>
      <span><${Time} at=${recordedAt} /></span>
      <span class="help" dir="auto">${fileName(path)}</span>
    </p>
    <${Problems} recording=${recording} />
    <div class="recording">
      <section aria-label="Audio and transcript">
        <${Player} id=${id} name=${fileName(path)} missing=${sourceMissing} media=${audio} />
        ${
          transcript
            ? html`<${TranscriptVersion} recording=${recording} versions=${stored} version=${version} media=${audio} />`
            : html`<${EmptyState} title="No transcript yet.">${NO_TRANSCRIPT[status]}<//>`
        }
      </section>
      <div class="details">
        <${Metadata} recording=${recording} refresh=${refresh} />
        <${History} recording=${recording} versions=${stored} />
      </div>
    </div>`;
}

const NO_TRANSCRIPT = {
  pending: "The recording will be queued at the next run. To start now, choose Transcribe now.",
  queued: "The recording is in the queue. The transcript will appear here.",
  processing: "The recording is being transcribed. The transcript will appear here.",
  failed: "See the error above. Fix its cause, then choose Transcribe now.",
  completed: "",
};

function Problems({ recording }) {
  const { error, transcriptionStatus: status, nextAttemptAt, sourceMissing, sourceChanged, transcript } = recording;
  const isDue = new Date(nextAttemptAt) <= Date.now();
  const retryText = !nextAttemptAt
    ? "needs manual retry"
    : isDue
      ? "will be retried when the queue is empty"
      : html`will be retried <${Ago} at=${nextAttemptAt} />, or later if the queue is not empty`;
  return html`${
    error &&
    status !== "completed" &&
    html`<${Notice}
        kind="error"
        role="note"
        title=${status === "failed" ? "The last attempt failed" : "An attempt ended without a transcript"}
      >
      <p>${error.message}</p>
      <p>
        <code>${error.code}</code>${error.httpStatus ? ` · HTTP ${error.httpStatus}` : ""} · <${Ago} at=${error.at} />${" "}
        ${status === "failed" && html`· ${retryText}`}
      </p>
    <//>`
  }
    ${transcript?.partial && html`<${Notice} role="note" title="One channel is missing">Only one channel of this stereo call could be transcribed. To transcribe the other one, choose Transcribe again.<//>`}
    ${sourceMissing && html`<${Notice} role="note" title="The file is missing">Since <${Time} at=${sourceMissing} />. Put it back at the same path, and the next scan finds it.<//>`}
    ${sourceChanged && html`<${Notice} role="note" title="The file has changed">On <${Time} at=${sourceChanged} />, after it was transcribed. To transcribe its new content, choose Transcribe again.<//>`}`;
}

function TranscribeButton({ recording, refresh }) {
  const { id, transcriptionStatus: status } = recording;
  const { busy, result, run } = useAction();
  const [confirmation, setConfirmation] = useState(null);
  const force = status === "completed";
  const transcribe = () =>
    run(async () => {
      await request(`/api/call-recordings/${id}/transcribe`, { method: "POST", body: { force } });
      refresh();
      return "Moved to the front of the queue.";
    });
  const disabled = busy || status === "processing";
  const onClick = () => {
    if (disabled) return;
    if (!force) return transcribe();
    setConfirmation({
      title: "Transcribe again?",
      text: "This adds a new version of the transcript. The existing versions are kept.",
      confirmLabel: "Transcribe again",
      action: transcribe,
    });
  };
  return html`<${ActionResult} result=${result} />
    <button
      type="button"
      aria-disabled=${disabled}
      onClick=${onClick}
    >${force ? "Transcribe again" : "Transcribe now"}</button>
    <${ConfirmDialog} confirmation=${confirmation} close=${() => setConfirmation(null)} />`;
}

// The selected version of the transcript, and its downloads. Without `version`, it is the current one.
function TranscriptVersion({ recording, versions, version, media }) {
  const { id, transcript, sourceMissing } = recording;
  const selected = version ?? transcript.version;
  const { busy, result, run } = useAction();
  const path = `/api/call-recordings/${id}/transcript`;
  const source = usePolling(
    (signal) => request(path, { query: { format: "json", version: selected }, signal }),
    [id, selected],
  );
  if (source.error?.code === "version_not_found") {
    return html`<${EmptyState} title="This version of the transcript does not exist.">
      <${Link} href=${urlFor(`recordings/${id}`)}>View the current version<//>
    <//>`;
  }
  const select = ({ target: { value } }) => {
    const query = { version: value === transcript.version ? "" : value };
    navigate(urlFor(`recordings/${id}`, query), { replace: true });
  };
  const download = (format) =>
    run(async () => {
      const file = await fetchFile(path, { format, version: selected });
      saveFile(file, `${id}.${format}`);
      return "";
    });
  return html`<div class="bar">
      ${
        versions.length > 1 &&
        html`<label>
        Version
        <select value=${selected} onChange=${select}>
          ${versions.map(({ version, createdAt, current }) => html`<option value=${version}>${formatDateTime(createdAt)}${current ? " (current)" : ""}</option>`)}
        </select>
      </label>`
      }
      <div class="downloads" role="group" aria-label="Download">
        <span>Download</span>
        ${Object.entries(FORMATS).map(
          ([format, title]) =>
            html`<button
                type="button"
                aria-disabled=${busy}
                aria-label="Download ${format.toUpperCase()}"
                title=${title}
                onClick=${() => download(format)}
              >${format.toUpperCase()}</button>`,
        )}
      </div>
    </div>
    <${ActionResult} result=${result} />
    <${Polled} source=${source}>${(data) => html`<${Transcript} key=${selected} id=${id} transcript=${data} media=${sourceMissing ? null : media} />`}<//>`;
}
