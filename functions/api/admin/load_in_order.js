// Loads the page's files one after the other. Each is an invocation of the API function, and a new AWS account may run ten
// at the same time: loading all of them in parallel could be throttled. Browsers cache them, so this happens once per version.

// `files`: each after the files that it imports. Returns the namespace of the last one.
export async function loadInOrder(...files) {
  let namespace;
  for (const file of files) namespace = await import(`./${file}`);
  return namespace;
}
