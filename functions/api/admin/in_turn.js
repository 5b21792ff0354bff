// Loads files of the page one after the other. Each is an invocation of the API's function, of which a small account may
// have ten at once: all of them together could be refused. A browser keeps them, so this is once for each version.

// Each needs none but those before it, and those that are there already. Gives the last.
export async function inTurn(...files) {
  let loaded;
  for (const file of files) loaded = await import(`./${file}`);
  return loaded;
}
