namespace RbdReplication.Ceph;

/// <summary>The process in which generations are taken for one connection, and whose turn it is.</summary>
internal sealed class GenerationProcess(RadosCluster cluster, RadosConnectionOptions options) : IDisposable
{
    private readonly ApartProcess _process = new(ApartWork.Generations, cluster, options);
    private readonly SemaphoreSlim _turn = new(1);

    /// <summary>Takes a generation when its turn has come.</summary>
    public async Task<GenerationOutcome> TakeAsync(
        RadosPool pool, IReadOnlyList<string> imageIds, GenerationOrder generation, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        // Whoever waits for its turn waits for the end of it, too, and not for whoever has asked for it.
        return await TakeInTurnAsync(pool, imageIds, generation).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task<GenerationOutcome> TakeInTurnAsync(RadosPool pool, IReadOnlyList<string> imageIds, GenerationOrder generation)
    {
        try
        {
            var answer = await _process.RunAsync(pool, imageIds, generation, pool.SpecOf(generation.SnapshotName), CancellationToken.None).ConfigureAwait(false);
            var became = answer.Generation ?? new GenerationAnswer(GenerationResult.Failed, TimeSpan.Zero, 0, 0, null);
            var failure = answer.Errno == 0
                ? null
                : new CephException(answer.Errno, answer.Function, pool.SpecOf(became.ImageId ?? generation.SnapshotName), answer.Detail);
            return new GenerationOutcome(became.Result, became.Held, became.Attempts, became.Lost, became.ImageId, failure);
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _process.Dispose();
}
