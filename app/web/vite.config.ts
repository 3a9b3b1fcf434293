import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// While developing, `ionet localnet --web` on its usual port answers what is not a file of this folder.
const served = "http://127.0.0.1:8902";

export default defineConfig(({ mode }) => ({
  plugins: [react()],
  build: { target: "es2023", sourcemap: false },
  server: {
    proxy: Object.fromEntries(["/v1", "/config.json", "/faucet", "/models"].map((path) => [path, served])),
  },
  // The generated clients ask Node.js for it.
  define: { "process.env.NODE_ENV": JSON.stringify(mode) },
  test: { include: ["src/**/*.test.ts"] },
}));
