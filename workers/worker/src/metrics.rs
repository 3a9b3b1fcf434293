//! The worker's counters.

daemon::metrics! {
    "ionet_worker_";
    jobs_in_hand: "gauge", "Jobs and audits being served, including those that wait to be settled.";
    jobs_claimed_total: "counter", "Jobs claimed.";
    jobs_committed_total: "counter", "Commitments posted.";
    jobs_revealed_total: "counter", "Results revealed.";
    audits_proven_total: "counter", "Audits of other devices' results that this worker has proven.";
    jobs_paid_total: "counter", "Jobs paid for.";
    jobs_lost_total: "counter", "Jobs that another device claimed first.";
    jobs_refused_total: "counter", "Jobs found and not taken.";
    jobs_missed_total: "counter", "Jobs whose deadline passed while this worker had them.";
    jobs_convicted_total: "counter", "Jobs whose result was proved wrong: a fault of this machine.";
    jobs_foreign_total: "counter", "Jobs that other software has committed to with this device's key.";
    demands_open: "gauge", "Demands that wait for an answer from this worker.";
    demands_answered_total: "counter", "Demands answered.";
    answer_milliseconds_total: "counter", "Time from seeing a demand to the last transaction of its answer.";
    units_total: "counter", "Units of work computed.";
    compute_milliseconds_total: "counter", "Time spent computing.";
    chain_slot: "gauge", "Newest slot that the node has shown.";
    chain_lag_seconds: "gauge", "Seconds by which the clock of the node's newest state is behind this machine's.";
    disk_fails: "gauge", "1 while the data folder cannot be written to and no new work is taken.";
    errors_total: "counter", "Steps that failed and were retried.";
}
