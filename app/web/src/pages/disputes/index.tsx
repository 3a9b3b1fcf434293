export function DisputesPage() { return <h1>Disputes</h1>; }
