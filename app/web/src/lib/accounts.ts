import {
  getAddressDecoder,
  getAddressEncoder,
  getBase58Decoder,
  type Address,
  type Base58EncodedBytes,
  type Decoder,
  type ReadonlyUint8Array,
} from "@solana/kit";
import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { unbase64 } from "./bytes";
import { useMarket, type Market } from "./market";

/** A decoded account. */
export type Found<Data> = Data & { address: Address };

/** A kind of account: the program that owns it, its discriminator and its decoder. */
export interface Kind<Data> {
  program: Address;
  discriminator: ReadonlyUint8Array;
  decoder: Decoder<Data>;
}

/** A filter: the bytes that an account must have at an offset. */
export interface Where {
  offset: number;
  bytes: ReadonlyUint8Array;
}

/** The filter for accounts that have an address at an offset. */
export const withAddress = (offset: number, address: Address): Where => ({ offset, bytes: getAddressEncoder().encode(address) });

const base58 = (bytes: ReadonlyUint8Array) => getBase58Decoder().decode(bytes) as unknown as Base58EncodedBytes;

const filtersOf = (kind: Kind<unknown>, where: Where[]) =>
  [{ offset: 0, bytes: kind.discriminator }, ...where].map(({ offset, bytes }) => ({
    memcmp: { offset: BigInt(offset), bytes: base58(bytes), encoding: "base58" as const },
  }));

/** All accounts of a kind that match the filters. */
export async function findAll<Data extends object>({ rpc }: Market, kind: Kind<Data>, ...where: Where[]): Promise<Found<Data>[]> {
  const found = await rpc.getProgramAccounts(kind.program, { encoding: "base64", filters: filtersOf(kind, where) }).send();
  return found.map(({ pubkey, account }) => ({ ...kind.decoder.decode(unbase64(account.data[0])), address: pubkey }));
}

/**
 * All accounts of a kind that have one of these addresses at an offset. A node cannot filter by a set of values, so this fetches only the
 * address from every account, then the accounts that match in full.
 */
export async function findNaming<Data extends object>(
  market: Market,
  kind: Kind<Data>,
  offset: number,
  named: ReadonlySet<Address>,
): Promise<Found<Data>[]> {
  const dataSlice = { offset, length: 32 };
  const slices = await market.rpc.getProgramAccounts(kind.program, { encoding: "base64", filters: filtersOf(kind, []), dataSlice }).send();
  const names = ({ account }: (typeof slices)[number]) => named.has(getAddressDecoder().decode(unbase64(account.data[0])));
  return findSome(market, kind, slices.filter(names).map(({ pubkey }) => pubkey));
}

/** One account; `null` if the address holds no account of this kind. */
export async function findOne<Data extends object>({ rpc }: Market, kind: Kind<Data>, address: Address): Promise<Found<Data> | null> {
  const { value } = await rpc.getAccountInfo(address, { encoding: "base64" }).send();
  if (!value || value.owner !== kind.program) return null;
  const data = unbase64(value.data[0]);
  const fits = kind.discriminator.every((byte, index) => data[index] === byte);
  return fits ? { ...kind.decoder.decode(data), address } : null;
}

/** [`findAll`], refreshed as events arrive. `name` is the query's key. */
export function useAll<Data extends object>(
  name: readonly unknown[],
  kind: Kind<Data>,
  where: Where[] = [],
  enabled = true,
): UseQueryResult<Found<Data>[]> {
  const market = useMarket();
  return useQuery({ queryKey: ["accounts", ...name], queryFn: () => findAll(market, kind, ...where), enabled });
}

/** [`findOne`], refreshed as events arrive, and every `every` milliseconds if given. */
export function useOne<Data extends object>(kind: Kind<Data>, address: Address | null, every: number | false = false): UseQueryResult<Found<Data> | null> {
  const market = useMarket();
  return useQuery({
    queryKey: ["account", address],
    queryFn: () => (address ? findOne(market, kind, address) : null),
    enabled: address !== null,
    refetchInterval: every,
  });
}

/** The only account of its kind, at a derived address. */
export function useSingle<Data extends object>(
  kind: Kind<Data>,
  find: () => Promise<readonly [Address, number]>,
): UseQueryResult<Found<Data> | null> {
  const market = useMarket();
  return useQuery({
    queryKey: ["account", kind.program, base58(kind.discriminator)],
    queryFn: async () => findOne(market, kind, (await find())[0]),
  });
}

/** The error of the first of some queries that failed without an answer, and how to ask again. */
export function trouble(...queries: { data: unknown; error: unknown; refetch: () => unknown }[]) {
  const failed = queries.find(({ data, error }) => data === undefined && error);
  return { error: failed?.error ?? null, refetch: failed?.refetch };
}

/** The accounts of a kind that exist at these addresses, fetched a hundred at a time. */
export async function findSome<Data extends object>({ rpc }: Market, kind: Kind<Data>, addresses: readonly Address[]): Promise<Found<Data>[]> {
  const found: Found<Data>[] = [];
  for (let start = 0; start < addresses.length; start += 100) {
    const some = addresses.slice(start, start + 100);
    const { value } = await rpc.getMultipleAccounts(some, { encoding: "base64" }).send();
    some.forEach((address, index) => {
      const account = value[index];
      if (account?.owner === kind.program) found.push({ ...kind.decoder.decode(unbase64(account.data[0])), address });
    });
  }
  return found;
}
