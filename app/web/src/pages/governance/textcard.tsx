import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useMarket } from "../../lib/market";
import { Answer, Button, Card, Facts, Key } from "../../ui";
import { fetchText } from "./text";

/** The text of a proposal, fetched on request and shown as plain text. */
export function TextCard({ hash }: { hash: string }) {
  const { config } = useMarket();
  const [asked, setAsked] = useState(false);
  const text = useQuery({ queryKey: ["config", "text", hash], queryFn: () => fetchText(config.blobs, hash), enabled: asked, retry: false });
  return (
    <Card title="Why">
      <Facts of={[["SHA-256 of the text", <Key of={hash} />]]} />
      {asked ? (
        <Answer of={text}>
          {(found) => (
            <>
              <p className="small" role="status">
                ✓ This text matches the hash in the proposal. It was written by the proposer.
              </p>
              <pre className="text">{found}</pre>
            </>
          )}
        </Answer>
      ) : (
        <Button onClick={() => setAsked(true)}>Show the text</Button>
      )}
    </Card>
  );
}
