import { useEffect, useRef } from "react";
import type { Image, Size } from "../../lib/engine";
import { save } from "../../lib/save";
import { Button, Wrong } from "../../ui";
import { useAttempt } from "../../ui/act";

/** A picture, or the room for one that is not loaded yet. */
export type Picture = Size & Partial<Image>;

/** Pixels on a canvas, labelled for screen readers. */
export function Pixels({ of: { width, height, rgba }, name }: { of: Picture; name: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (rgba) canvas.current?.getContext("2d")?.putImageData(new ImageData(new Uint8ClampedArray(rgba), width, height), 0, 0);
  }, [width, height, rgba]);
  return (
    <figure>
      <canvas ref={canvas} width={width} height={height} {...(rgba ? { role: "img", "aria-label": name } : { "aria-hidden": true })} />
      {!rgba && <span className="spinner" aria-hidden="true" />}
      <figcaption className="muted small">
        {name}, {width} × {height}
      </figcaption>
    </figure>
  );
}

/** Largest photo that is decoded, in pixels. */
const MOST_PIXELS = 32_000_000;

/** Decodes an image file, applying its orientation. Errors are sentences. */
export async function decode(file: Blob): Promise<Image> {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" }).catch(() => null);
  if (!bitmap) throw new Error("this file is not an image, or it is damaged; choose a PNG or JPEG file");
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) throw new Error(`the image has ${width} × ${height} pixels; a job takes at most 32 million, so shrink it first`);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser cannot read images");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, rgba: context.getImageData(0, 0, width, height).data as Uint8ClampedArray };
}

/** A button that saves a picture, once it is loaded, as a PNG file. */
export function Download({ of, name }: { of: Image | undefined; name: string }) {
  const { attempt, busy, error } = useAttempt();
  const download = async ({ width, height, rgba }: Image) => {
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d")?.putImageData(new ImageData(new Uint8ClampedArray(rgba), width, height), 0, 0);
    save(name, await canvas.convertToBlob({ type: "image/png" }));
  };
  return (
    <>
      <Button disabled={!of} busy={busy} onClick={() => void (of && attempt(() => download(of)))}>
        Save as PNG
      </Button>
      <Wrong>{error}</Wrong>
    </>
  );
}
