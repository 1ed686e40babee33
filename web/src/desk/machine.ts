// The number of this browser, the same in all its tabs, so that the service can tell two machines of one reader apart. It is
// made here, of chance alone.
const KEY = "doubleread-machine";
let ofThisPage = "";

export function machine(): string {
  try {
    const kept = localStorage.getItem(KEY);
    if (kept) return kept;
    ofThisPage ||= crypto.randomUUID();
    localStorage.setItem(KEY, ofThisPage);
  } catch {
    // Storage is forbidden: then a tab counts as a machine.
  }
  return (ofThisPage ||= crypto.randomUUID());
}
