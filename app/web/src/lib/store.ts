// What this browser keeps from visit to visit. With a site's data blocked it keeps nothing, and every access throws.

/** What is kept under a name; `null` for nothing. */
export function kept(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Keeps a text under a name, or forgets what is there; returns whether the browser did. */
export function keep(name: string, text: string | null): boolean {
  try {
    if (text === null) localStorage.removeItem(name);
    else localStorage.setItem(name, text);
    return true;
  } catch {
    return false;
  }
}

/** Keeps what is lost with the page otherwise; fails with a sentence where the browser keeps nothing. */
export function mustKeep(name: string, text: string): void {
  if (keep(name, text)) return;
  throw new Error("this browser keeps no data of this site, so this would be lost with the page; allow its data, or make room, and try again");
}

/** The rest of the names that begin like this. */
export function namesKept(start: string): string[] {
  try {
    return Object.keys(localStorage)
      .filter((name) => name.startsWith(start))
      .map((name) => name.slice(start.length));
  } catch {
    return [];
  }
}
