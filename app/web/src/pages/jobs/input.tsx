import { useEffect, useState } from "react";
import type { Image } from "../../lib/engine";
import { Button, Field } from "../../ui";
import { useAttempt } from "../../ui/act";
import { decode } from "./pictures";

/** The picture that is ordered. */
export type Wanted = { takes: "photo"; image: Image } | { takes: "prompt"; prompt: string; seed: bigint; pictures: number };

/** The choice of a photo to enlarge. */
export function PhotoInput({ model, onChange }: { model: string; onChange: (what: Wanted | null) => void }) {
  const { attempt, error } = useAttempt();
  const take = (file: Blob | Promise<Blob>) =>
    attempt(async () => {
      onChange(null);
      onChange({ takes: "photo", image: await decode(await file) });
    });
  const sample = async () => {
    const answer = await fetch(`/models/${model}/sample.png`).catch(() => null);
    if (!answer?.ok) throw new Error("the sample photo cannot be loaded; try again in a moment");
    return answer.blob();
  };
  return (
    <>
      <Field
        label="Photo"
        type="file"
        accept="image/png,image/jpeg"
        error={error}
        hint="PNG or JPEG. The photo is uploaded only when you open the job and confirm its cost. A job's input is public."
        onChange={(event) => {
          const file = event.target.files?.[0];
          if (file) void take(file);
        }}
      />
      <div>
        <Button onClick={() => void take(sample())}>Use the sample photo</Button>
      </div>
    </>
  );
}

/** Milliseconds without a keystroke after which a prompt is used. */
const PAUSE = 300;
const MOST_PICTURES = 64;

/** The prompt for a picture. */
export function PromptInput({ onChange }: { onChange: (what: Wanted | null) => void }) {
  const [prompt, setPrompt] = useState("");
  const [seed, setSeed] = useState("0");
  const [pictures, setPictures] = useState("1");
  const wrongSeed = /^\d{1,18}$/.test(seed) ? null : "enter a whole number";
  const wrongCount = /^\d+$/.test(pictures) && Number(pictures) >= 1 && Number(pictures) <= MOST_PICTURES ? null : `enter a number from 1 to ${MOST_PICTURES}`;
  useEffect(() => {
    const ok = prompt.trim() !== "" && !wrongSeed && !wrongCount;
    const timer = setTimeout(
      () => onChange(ok ? { takes: "prompt", prompt, seed: BigInt(seed), pictures: Number(pictures) } : null),
      PAUSE,
    );
    return () => clearTimeout(timer);
  }, [prompt, seed, pictures, wrongSeed, wrongCount, onChange]);
  return (
    <>
      <Field label="Prompt" value={prompt} maxLength={300} placeholder="a red circle on a blue background" onChange={(event) => setPrompt(event.target.value)} />
      <div className="columns">
        <Field label="Seed" inputMode="numeric" value={seed} error={wrongSeed} hint="A different seed gives a different picture for the same prompt." onChange={(event) => setSeed(event.target.value)} />
        <Field label="Pictures" inputMode="numeric" value={pictures} error={wrongCount} onChange={(event) => setPictures(event.target.value)} />
      </div>
    </>
  );
}
