// Files for the viewer's own disk.
import { ApiError, UNREACHABLE } from "./api.js";

// Lets the browser keep `file`, a Blob, under this name.
export function save(file, name) {
  const address = URL.createObjectURL(file);
  follow(address, name);
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

// Goes to an address that is an attachment: the page stays.
export function follow(address, name = "") {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}

// The whole file at an address that takes ranges, as a Blob: a large one comes in parts, for an answer of the API holds
// 4 MB at most. Throws ApiError.
export async function fetchWhole(address) {
  const parts = [];
  let done = 0;
  let length = 1;
  while (done < length) {
    const response = await fetch(address, { headers: { Range: `bytes=${done}-` } }).catch(() => null);
    if (!response?.ok) throw new ApiError(response?.status ?? 0, "audio", UNREACHABLE);
    const part = await response.blob();
    parts.push(part);
    done += part.size;
    length = Number(response.headers.get("Content-Range")?.split("/")[1] ?? done);
  }
  return new Blob(parts, { type: parts[0].type });
}
