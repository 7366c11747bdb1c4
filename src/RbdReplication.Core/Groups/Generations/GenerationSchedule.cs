namespace RbdReplication.Core;

/// <summary>Gets what became of each generation that was due.</summary>
/// <param name="group">The group.</param>
/// <param name="attempt">What became of it.</param>
public delegate void GenerationReport(VolumeHandle group, GenerationAttempt attempt);

/// <summary>A group whose generations are taken here when they are due.</summary>
/// <param name="Handle">The group.</param>
/// <param name="State">What was seen of it last.</param>
public sealed record KeptGroup(VolumeHandle Handle, GroupState State);

/// <summary>
/// Takes the generations of groups when they are due. A group is kept until it is not primary here any more or has no schedule. Of the servers that
/// keep it, whoever is first takes the generation that is due, under a lease, and the others see that it is there.
/// </summary>
/// <param name="resolver">Finds groups.</param>
/// <param name="operations">Gives failures their meaning.</param>
/// <param name="report">Gets what became of each generation that was due.</param>
/// <param name="time">Clock.</param>
public sealed class GenerationSchedule(GroupResolver resolver, GroupOperations operations, GenerationReport report, TimeProvider time) : IAsyncDisposable
{
    private readonly DueWork<GroupState> _work = new(
        (request, seen, cancellationToken) => operations.ReadAsync(
            $"take a generation of volume group {request.Handle}",
            async (scope, token) =>
            {
                var group = await resolver.FindCompleteAsync(request, scope, token).ConfigureAwait(false);
                return await new GenerationTurn(group, seen, report, time).RunAsync(token).ConfigureAwait(false);
            }, cancellationToken),
        (group, problem) => report(group, GenerationAttempt.Failed(problem)), DuePause.Longest, time);

    /// <summary>The groups that are kept, once they were looked at.</summary>
    public IReadOnlyList<KeptGroup> Groups => [.. _work.Seen.Select(kept => new KeptGroup(kept.Handle, kept.State))];

    /// <inheritdoc cref="DueWork{T}.Keep"/>
    public void Keep(VolumeRequest request, bool isChanged) => _work.Keep(request, isChanged);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _work.DisposeAsync();
}
