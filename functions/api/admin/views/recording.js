// One recording: heard and read side by side, and all that is known of it.

import { go, Link, to } from "../address.js";
import { ask, fetchFile } from "../api.js";
import { save } from "../download.js";
import { History } from "../history.js";
import { html } from "../html.js";
import { useAtChange, useLive } from "../live.js";
import { Metadata } from "../metadata.js";
import { Ago, Empty, Heading, Live, Notice, Question, Status, Time, Told, useDeed, Way } from "../parts.js";
import { Player } from "../player.js";
import { Transcript } from "../transcript.js";
import { useRef, useState } from "../vendor/hooks.js";
import { between, dayAndTime, fileName } from "../words.js";

const SECONDS = { pending: 15, queued: 5, processing: 3 }; // that is looked at soon again
const RESTING_SECONDS = 30;
const FORMATS = { txt: "Text", srt: "SubRip (SRT)", vtt: "WebVTT (VTT)", json: "JSON" };

export default function Recording({ id, query }) {
  const live = useLive(
    (signal) => ask(`/api/call-recordings/${id}`, { signal }),
    [id],
    (recording) => SECONDS[recording?.transcriptionStatus] ?? RESTING_SECONDS,
  );
  const recording = live.data;
  if (live.error?.status === 404 && !recording) {
    return html`<${Heading} title="There is no such recording" />
      <${Empty} title="There is no recording of this id.">
        It may have been deleted. <${Link} href=${to("recordings")}>All recordings<//>
      <//>`;
  }
  return html`<${Heading} title=${recording ? (between(recording) ?? fileName(recording.path)) : "Recording"}>
      ${recording && html`<${Again} recording=${recording} again=${live.again} />`}
    <//>
    <${Live} live=${live}>${() => html`<${Shown} recording=${recording} version=${query.version} again=${live.again} />`}<//>`;
}

function Shown({ recording, version, again }) {
  const { id, path, transcript, recordedAt, transcriptionStatus: status } = recording;
  const player = useRef(null);
  const versions = useLive((signal) => ask(`/api/call-recordings/${id}/transcript/versions`, { signal }), [id]);
  useAtChange(transcript?.version ?? null, versions.again);
  const stored = versions.data?.items ?? [];
  return html`<p class="lead">
      <${Status} status=${status} /> <span><${Way} recording=${recording} /></span>
      <span><${Time} at=${recordedAt} /></span>
      <span class="help">${fileName(path)}</span>
    </p>
    <${Trouble} recording=${recording} />
    <div class="recording">
      <section class="heard" aria-label="Audio and transcript">
        <${Player} id=${id} name=${fileName(path)} missing=${recording.sourceMissing} media=${player} />
        ${
          transcript
            ? html`<${Versions}
              recording=${recording}
              versions=${stored}
              version=${version}
              media=${player}
            />`
            : html`<${Empty} title="There is no transcript yet.">${NEXT[status]}<//>`
        }
      </section>
      <div class="known">
        <${Metadata} recording=${recording} again=${again} />
        <${History} recording=${recording} versions=${stored} />
      </div>
    </div>`;
}

const NEXT = {
  pending: "It is put in line at the next run of queue.",
  queued: "It is in line. This page shows the transcript as soon as it is there.",
  processing: "It is being transcribed. This page shows the transcript as soon as it is there.",
  failed: "What went wrong stands above.",
  completed: "",
};

function Trouble({ recording }) {
  const { error, transcriptionStatus: status, nextAttemptAt, sourceMissing, sourceChanged, transcript } = recording;
  return html`${
    error &&
    status !== "completed" &&
    html`<${Notice}
        kind="bad"
        role="note"
        title=${status === "failed" ? "The last attempt failed" : "An attempt ended without a transcript"}
      >
      <p>${error.message}</p>
      <p>
        <code>${error.code}</code>${error.httpStatus ? ` · HTTP ${error.httpStatus}` : ""} · <${Ago} at=${error.at} />${" "}
        ${status === "failed" && html`· ${nextAttemptAt ? html`tried again <${Ago} at=${nextAttemptAt} />, or once nothing is queued` : "nobody tries it again but you"}`}
      </p>
    <//>`
  }
    ${transcript?.partial && html`<${Notice} role="note" title="One channel is missing">Of this stereo call, only one side could be transcribed. Transcribe it again: the other one is kept.<//>`}
    ${sourceMissing && html`<${Notice} role="note" title="The file is gone">Since <${Time} at=${sourceMissing} />. Put it back where it was: the next sync finds it.<//>`}
    ${sourceChanged && html`<${Notice} role="note" title="The file has changed">On <${Time} at=${sourceChanged} />, after it was transcribed. Transcribe it again to have what it holds now.<//>`}`;
}

// Transcribe it, or once more.
function Again({ recording, again }) {
  const { id, transcriptionStatus: status } = recording;
  const { busy, told, run } = useDeed();
  const [question, setQuestion] = useState(null);
  const force = status === "completed";
  const send = () =>
    run(async () => {
      await ask(`/api/call-recordings/${id}/transcribe`, { method: "POST", body: { force } });
      again();
      return "At the head of the line.";
    });
  const off = busy || status === "processing";
  const clicked = () => {
    if (off) return;
    if (!force) return send();
    setQuestion({
      title: "Transcribe it again?",
      text: "The service makes a new version of the transcript. The versions that there are stay.",
      yes: "Transcribe again",
      act: send,
    });
  };
  return html`<${Told} told=${told} />
    <button
      type="button"
      aria-disabled=${off}
      onClick=${clicked}
    >${force ? "Transcribe again" : "Transcribe now"}</button>
    <${Question} question=${question} close=${() => setQuestion(null)} />`;
}

// The transcript in the version that is chosen, and as a file.
function Versions({ recording, versions, version, media }) {
  const { id, transcript } = recording;
  const shown = version ?? transcript.version;
  const { busy, told, run } = useDeed();
  const live = useLive(
    (signal) => ask(`/api/call-recordings/${id}/transcript`, { query: { format: "json", version: shown }, signal }),
    [id, shown],
  );
  if (live.error?.code === "version_not_found") {
    return html`<${Empty} title="There is no such version of the transcript.">
      <${Link} href=${to(`recordings/${id}`)}>Show the current one<//>
    <//>`;
  }
  const choose = (event) => {
    const chosen = event.target.value;
    go(to(`recordings/${id}`, { version: chosen === transcript.version ? "" : chosen }), { replace: true });
  };
  const download = (format) =>
    run(async () => {
      const file = await fetchFile(`/api/call-recordings/${id}/transcript`, { format, version: shown });
      save(file, `${id}.${format}`);
      return "";
    });
  return html`<div class="bar">
      ${
        versions.length > 1 &&
        html`<label>
        Version
        <select value=${shown} onChange=${choose}>
          ${versions.map((each) => html`<option value=${each.version}>${dayAndTime(each.createdAt)}${each.current ? " (current)" : ""}</option>`)}
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
    <${Told} told=${told} />
    <${Live} live=${live}>${(stored) => html`<${Transcript} key=${shown} id=${id} stored=${stored} media=${recording.sourceMissing ? null : media} />`}<//>`;
}
