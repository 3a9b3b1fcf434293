-- What a permit adds to the challenger's reward, which the device does not lose. `reward` is of the bond alone.
ALTER TABLE disputes ADD COLUMN jackpot BIGINT NOT NULL DEFAULT 0;
