import { useInfiniteQuery, useQuery, type InfiniteData, type UseQueryResult } from "@tanstack/react-query";
import { PATIENCE } from "./node";

/** An error response of the indexer, or none in time (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    sentence: string,
  ) {
    super(sentence);
  }
}

/** A page of a list; `next` is the `before` of the next page. */
export interface Page<Row> {
  rows: Row[];
  next: number | null;
}

type Parameters = Record<string, string | number | undefined>;

/** Queries the indexer. Errors are sentences for people. */
export async function ask<Answer>(path: string, parameters: Parameters = {}): Promise<Answer> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  const question = query.size > 0 ? `/v1/${path}?${query}` : `/v1/${path}`;
  let answer: Response;
  try {
    answer = await fetch(question, { signal: AbortSignal.timeout(PATIENCE) });
  } catch {
    throw new ApiError(0, "the indexer does not respond; retrying in a moment");
  }
  const body: unknown = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body as Answer;
  const said = (body as { error?: unknown } | null)?.error;
  throw new ApiError(answer.status, typeof said === "string" ? said : `the indexer responded with status ${answer.status}`);
}

/** One answer of the indexer, refreshed as events arrive. */
export function useAnswer<Answer>(path: string, parameters: Parameters = {}): UseQueryResult<Answer> {
  return useQuery({ queryKey: ["api", path, parameters], queryFn: () => ask<Answer>(path, parameters) });
}

/** A function of its own, so that the rows stay the same object until one changes. */
const rowsIn = <Row>({ pages }: InfiniteData<Page<Row>>): Row[] => pages.flatMap(({ rows }) => rows);

/** The rows of a list of the indexer, fetched page by page. While disabled it has none, even if the same query without a filter is cached. */
export function useList<Row>(path: string, parameters: Parameters = {}, enabled = true) {
  const list = useInfiniteQuery({
    queryKey: ["api", path, parameters, "pages"],
    queryFn: ({ pageParam }) => ask<Page<Row>>(path, { ...parameters, before: pageParam }),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    select: rowsIn<Row>,
    enabled,
  });
  return { ...list, data: enabled ? list.data : undefined };
}

// What the indexer answers, as far as the app reads it.

/** A program event. */
export interface Event {
  id: number;
  signature: string;
  slot: number;
  time: number | null;
  name: string;
  data: Record<string, unknown>;
}

/** A transaction. */
export interface Transaction {
  signature: string;
  /** Lamports. */
  fee: number;
  compute_units: number;
}

/** A job; amounts are base units, times unix seconds. */
export interface JobRow {
  opened: number;
  address: string;
  status: "open" | "claimed" | "committed" | "revealed" | "settled" | "cancelled" | "expired" | "timed out" | "confessed" | "convicted";
  escrow: string;
  model: string;
  /** Mint of the token that the job is paid in. */
  mint: string;
  /** 1 if that is not $IO; the job is then left out of all figures. */
  foreign_mint: number;
  inputs: string;
  units: number;
  replicas: number;
  replica: number;
  max_price: number;
  device: string | null;
  gpu_model: number | null;
  price: number | null;
  bond: number | null;
  outputs: string | null;
  consumer_pays: number | null;
  supplier_gets: number | null;
  fees: number | null;
  opened_at: number | null;
  claimed_at: number | null;
  committed_at: number | null;
  revealed_at: number | null;
  window_ends: number | null;
  ended_at: number | null;
  latency: number | null;
  events?: Event[];
  transactions?: Transaction[];
}

/** A device. */
export interface DeviceRow {
  address: string;
  owner: string;
  gpu_model: number;
  quantity: number;
  active: number;
  own_stake: number;
  co_stake: number;
  cooling: number;
  open_jobs: number;
  jobs_done: number;
  jobs_convicted: number;
  events?: Event[];
}

/** An hour of rewards. */
export interface HourRow {
  hour: number;
  block: number;
  enterprise: number;
  community: number;
  enterprise_score: number;
  community_score: number;
}

/** A proposal. */
export interface ProposalRow {
  number: number;
  address: string;
  proposer: string;
  title: string;
  kind: number;
  status: number;
  yes: number;
  no: number;
  abstain: number;
  veto: number;
  quorum: number;
  voting_ends: number;
  eta: number;
  expires_at: number;
  text_hash: string;
  created_at: number | null;
  instructions: number | null;
}

/** A vote. */
export interface VoteRow {
  id: number;
  voter: string;
  source: string;
  choice: number;
  weight: number;
  time: number | null;
  signature: string;
}

/** A conviction. */
export interface DisputeRow {
  id: number;
  address: string;
  device: string;
  challenger: string;
  fault: string | number;
  unit: number;
  op: number;
  element: number;
  expected: number;
  claimed: number;
  refund: number;
  reward: number;
  compensation: number;
  burned: number;
  jackpot: number;
  convicted_at: number | null;
  awarded_at: number | null;
  awarded_to: string | null;
  signature: string;
}

/** The reward that a device collected for an hour. */
export interface RewardRow {
  id: number;
  device: string;
  hour: number;
  reward: number;
  time: number | null;
}

/** A claim of rewards. */
export interface ClaimRow {
  id: number;
  device: string | null;
  offer: string | null;
  amount: number;
  time: number | null;
  signature: string;
}

/** The part of an hour's reward that went to an offer's co-stakers. */
export interface ShareRow {
  id: number;
  offer: string;
  hour: number;
  reward: number;
  part: number;
  shares: string | number;
}

/** Prices per unit in an hour, on one GPU model. */
export interface PriceRow {
  hour: number;
  gpu_model: number;
  jobs: number;
  low: number;
  mean: number;
  high: number;
}

/** Jobs in an hour; latencies are seconds from opening to result. */
export interface ThroughputRow {
  hour: number;
  settled: number;
  units: number;
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

/** Figures of the whole market. */
export interface Network {
  devices: number;
  gpus: number;
  gpus_staked: number;
  gpus_verified: number;
  gpus_busy: number;
  staked: number;
  jobs: number;
  jobs_settled: number;
  jobs_convicted: number;
  paid_to_suppliers: number;
}
