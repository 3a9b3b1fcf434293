export function DisputePage() { return <h1>Dispute</h1>; }
