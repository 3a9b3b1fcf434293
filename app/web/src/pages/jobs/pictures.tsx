import { useEffect, useRef, useState } from "react";
import type { Image } from "../../lib/engine";

/** Pixels on a canvas, labelled for screen readers. */
export function Pixels({ of, name }: { of: Image; name: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const { width, height, rgba } = of;
    canvas.current?.getContext("2d")?.putImageData(new ImageData(new Uint8ClampedArray(rgba), width, height), 0, 0);
  }, [of]);
  return (
    <figure>
      <canvas ref={canvas} width={of.width} height={of.height} role="img" aria-label={name} />
      <figcaption className="muted small">
        {name}, {of.width} × {of.height}
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

/** A button that saves a picture as a PNG file. */
export function Download({ of, name }: { of: Image; name: string }) {
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    const canvas = new OffscreenCanvas(of.width, of.height);
    canvas.getContext("2d")?.putImageData(new ImageData(new Uint8ClampedArray(of.rgba), of.width, of.height), 0, 0);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await canvas.convertToBlob({ type: "image/png" }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
    setBusy(false);
  };
  return (
    <button type="button" className="button" disabled={busy} onClick={() => void save()}>
      Save as PNG
    </button>
  );
}
