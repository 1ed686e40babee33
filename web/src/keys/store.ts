// Keeps a person's own keys on the server, so that they are the same at the next workstation.

/** Stores the choices. Resolves to null, or to what to tell the person where they could not be kept. */
export async function storeKeys(keys: Record<string, string>): Promise<string | null> {
  const token = document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content ?? "";
  try {
    const answer = await fetch("/api/me/preferences", {
      method: "PUT",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": token },
      body: JSON.stringify({ keys }),
    });
    return answer.ok ? null : "It holds until this page is closed; the server did not keep it.";
  } catch {
    return "It holds until this page is closed; the server can't be reached.";
  }
}
