import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// In development, requests that are not files of this folder go to `ionet localnet --web` on its default port.
const served = "http://127.0.0.1:8902";

export default defineConfig(({ mode }) => ({
  plugins: [react()],
  build: { target: "es2023", sourcemap: false },
  server: {
    proxy: Object.fromEntries(["/v1", "/config.json", "/faucet", "/models"].map((path) => [path, served])),
  },
  // Used by the generated clients.
  define: { "process.env.NODE_ENV": JSON.stringify(mode) },
  test: { include: ["src/**/*.test.ts"] },
}));
