/** Something else is on. */
export class Busy extends Error {
  constructor() {
    super("something else is still being signed or sent; wait until its end is known");
  }
}

/** Lets one thing run at a time: what comes while it does is refused. */
export function oneAtATime(): <Result>(run: () => Promise<Result>) => Promise<Result> {
  let busy = false;
  return async (run) => {
    if (busy) throw new Busy();
    busy = true;
    try {
      return await run();
    } finally {
      busy = false;
    }
  };
}
