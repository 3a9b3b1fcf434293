import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import { Io } from ".";

test("a rounded amount is a button that shows it exactly, unless nothing was rounded", () => {
  const shown = (of: bigint | null, rough: boolean) => renderToStaticMarkup(createElement(Io, { of, rough }));
  expect(shown(123_456_789_012n, true)).toMatch(/^<button type="button".* title="1,234.56789012 \$IO".*>1,234.57 \$IO<\/button>$/);
  for (const rough of [true, false]) expect(shown(150_000_000n, rough)).toMatch(/^<span .*>1.5 \$IO<\/span>$/);
  expect(shown(null, true)).toContain("–");
});
