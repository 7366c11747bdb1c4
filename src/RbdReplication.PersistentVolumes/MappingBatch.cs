namespace RbdReplication.PersistentVolumes;

/// <summary>Volumes that are brought up to date together, and what became of each.</summary>
/// <param name="requests">The volumes.</param>
/// <param name="beforeWrite">Called before each write; throws when no more may be written.</param>
internal sealed class MappingBatch(IReadOnlyList<MappingRequest> requests, Action beforeWrite)
{
    public IReadOnlyList<MappingRequest> Requests => requests;

    public Action BeforeWrite => beforeWrite;

    /// <summary>In the order of the requests.</summary>
    public MappingOutcome[] Outcomes { get; } = new MappingOutcome[requests.Count];

    public IEnumerable<int> All => Enumerable.Range(0, requests.Count);

    public void Settle(IEnumerable<int> indices, Func<int, MappingOutcome> outcome)
    {
        foreach (var i in indices)
            Outcomes[i] = outcome(i);
    }

    public void Settle(IEnumerable<int> indices, MappingOutcome outcome) => Settle(indices, _ => outcome);
}
