import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { ApiError } from "./lib/api";
import { LiveProvider } from "./lib/live";
import { MarketProvider } from "./lib/market";
import { SendingProvider } from "./lib/send";
import { WalletProvider } from "./lib/wallet";
import { Loading, Problem } from "./ui";
import "./style.css";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // A client error is final; anything else may succeed on another attempt.
      retry: (failures, error) => failures < 3 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
      staleTime: 2_000,
    },
  },
});

createRoot(document.getElementById("app") as HTMLElement).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <MarketProvider waiting={(error) => <main>{error ? <Problem error={error} retry={() => location.reload()} /> : <Loading />}</main>}>
        <LiveProvider>
          <WalletProvider>
            <SendingProvider>
              <App />
            </SendingProvider>
          </WalletProvider>
        </LiveProvider>
      </MarketProvider>
    </QueryClientProvider>
  </StrictMode>,
);
