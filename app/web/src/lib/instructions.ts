import { AccountRole, type Address, type Instruction, type TransactionSigner } from "@solana/kit";
import { ASSOCIATED_TOKEN_PROGRAM, SYSTEM_PROGRAM, TOKEN_PROGRAM } from "./programs";
import { tokenAccount } from "./send";

/** Creates a wallet's token account unless it exists. The wallet pays the rent. */
export async function createTokenAccount(wallet: TransactionSigner, mint: Address): Promise<Instruction> {
  return {
    programAddress: ASSOCIATED_TOKEN_PROGRAM,
    accounts: [
      { address: wallet.address, role: AccountRole.WRITABLE_SIGNER, signer: wallet } as never,
      { address: await tokenAccount(wallet.address, mint), role: AccountRole.WRITABLE },
      { address: wallet.address, role: AccountRole.READONLY },
      { address: mint, role: AccountRole.READONLY },
      { address: SYSTEM_PROGRAM, role: AccountRole.READONLY },
      { address: TOKEN_PROGRAM, role: AccountRole.READONLY },
    ],
    data: Uint8Array.of(1),
  };
}

/** Sends lamports. */
export function transferSol(from: TransactionSigner, to: Address, lamports: bigint): Instruction {
  const data = new DataView(new ArrayBuffer(12));
  data.setUint32(0, 2, true);
  data.setBigUint64(4, lamports, true);
  return {
    programAddress: SYSTEM_PROGRAM,
    accounts: [
      { address: from.address, role: AccountRole.WRITABLE_SIGNER, signer: from } as never,
      { address: to, role: AccountRole.WRITABLE },
    ],
    data: new Uint8Array(data.buffer),
  };
}
