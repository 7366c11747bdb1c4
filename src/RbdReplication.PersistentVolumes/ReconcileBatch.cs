namespace RbdReplication.PersistentVolumes;

/// <summary>Volumes that are brought up to date together, and what became of each.</summary>
/// <param name="requests">The volumes.</param>
/// <param name="beforeWrite">Called before each write; throws when no more may be written.</param>
internal sealed class ReconcileBatch(IReadOnlyList<ReconcileRequest> requests, Action beforeWrite)
{
    public IReadOnlyList<ReconcileRequest> Requests => requests;

    public Action BeforeWrite => beforeWrite;

    /// <summary>In the order of the requests.</summary>
    public ReconcileOutcome[] Outcomes { get; } = new ReconcileOutcome[requests.Count];

    public IEnumerable<int> All => Enumerable.Range(0, requests.Count);

    public void Settle(IEnumerable<int> indices, Func<int, ReconcileOutcome> outcome)
    {
        foreach (var i in indices)
            Outcomes[i] = outcome(i);
    }

    public void Settle(IEnumerable<int> indices, ReconcileOutcome outcome) => Settle(indices, _ => outcome);
}
