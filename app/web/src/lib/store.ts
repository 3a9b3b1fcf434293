// The browser's storage. If the user blocks site data, every access throws.

/** The text stored under a name; `null` if there is none. */
export function kept(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Stores a text under a name, or removes it; returns whether that worked. */
export function keep(name: string, text: string | null): boolean {
  try {
    if (text === null) localStorage.removeItem(name);
    else localStorage.setItem(name, text);
    return true;
  } catch {
    return false;
  }
}

/** Stores a text that must outlive the page; fails with a sentence if the browser stores nothing. */
export function mustKeep(name: string, text: string): void {
  if (keep(name, text)) return;
  throw new Error("this browser stores no data for this site, so this would be lost when you close the page; allow site data or free up space, then try again");
}

/** The names in storage that start with `start`, without it. */
export function namesKept(start: string): string[] {
  try {
    return Object.keys(localStorage)
      .filter((name) => name.startsWith(start))
      .map((name) => name.slice(start.length));
  } catch {
    return [];
  }
}
