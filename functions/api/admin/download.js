// Downloads to the viewer's disk.

import { ApiError, requireOk, UNREACHABLE } from "./api.js";

// Saves a Blob under this name.
export function saveFile(file, name) {
  const url = URL.createObjectURL(file);
  openDownload(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

// Opens a URL whose response is an attachment: the page stays.
export function openDownload(url, name = "") {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

// The whole file as a Blob, fetched in ranges, because a response of the API holds at most 4 MB. Throws ApiError.
export async function fetchInRanges(url) {
  const ranges = [];
  let received = 0;
  let length = 1;
  while (received < length) {
    const response = await fetch(url, { headers: { Range: `bytes=${received}-` } }).catch(() => null);
    if (!response) throw new ApiError(0, "unreachable", UNREACHABLE);
    await requireOk(response);
    const range = await response.blob();
    ranges.push(range);
    received += range.size;
    length = Number(response.headers.get("Content-Range")?.split("/")[1] ?? received);
  }
  return new Blob(ranges, { type: ranges[0].type });
}
