// Integer arithmetic that several pages share.

/** Basis points of the whole. */
export const WHOLE_BPS = 10_000n;

/** A share in basis points of an amount, rounded up. */
export const shareCeil = (amount: bigint, bps: number): bigint => (amount * BigInt(bps) + WHOLE_BPS - 1n) / WHOLE_BPS;

/** The smaller of two amounts. */
export const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** The larger of two amounts. */
export const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
