using System.Diagnostics;

namespace RbdReplication.Ceph;

/// <summary>How a barrier has ended.</summary>
/// <param name="Result">Taken: all members have their snapshot, and all are of one instant.</param>
/// <param name="Member">The member at which a call failed, or that did not come in time.</param>
/// <param name="Failure">The call that failed.</param>
internal sealed record BarrierOutcome(GenerationResult Result, RbdImage? Member = null, CephException? Failure = null)
{
    /// <summary>For how long, at most, the lock of a member was kept from others.</summary>
    public TimeSpan Held { get; init; }

    /// <summary>How often the lock of a member had gone back before its snapshot was begun.</summary>
    public int Lost { get; init; }
}

/// <summary>
/// Snapshots of several images that are of one instant, with nothing but what every librbd since 16.2 offers. It takes the exclusive lock of each
/// image as whoever writes does, and begins all snapshots. librbd announces each and waits for the answer, and gives the lock to nobody
/// before the snapshot is taken. When all are announced and all locks are ours, nobody is writing to any of the images: that is the instant. Then
/// all are answered. That one is done sooner than another does not matter, since nothing is written to either before its own snapshot.
/// </summary>
/// <remarks>
/// Where a lock has gone back before the snapshot was begun, librbd has the other client take it, and it is announced all the same: so the owner
/// is looked at after the announcement, and such a snapshot is refused and begun again while the other members wait. Where they would wait for too long
/// all are refused, and everybody goes on. No snapshot of an image is ever begun before the one before it has ended: it would wait for that, and
/// that for this one.
/// </remarks>
internal static class GroupBarrier
{
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(5);

    /// <summary>Takes the snapshots, or none where not all can be.</summary>
    /// <param name="images">The images, open for writing, each once.</param>
    /// <param name="address">Network address of this client, as the images' watchers have it.</param>
    /// <param name="take">Takes the snapshot of one.</param>
    /// <param name="maximumHold">Longest time until all are ready.</param>
    /// <param name="hanging">Gets those images that something is still being done with at the end, and when that has ended.</param>
    /// <param name="cancellationToken">Gives it up, unless the snapshots are being taken.</param>
    /// <exception cref="OperationCanceledException">It was given up by that.</exception>
    public static async Task<BarrierOutcome> RunAsync(
        IReadOnlyList<RbdImage> images, string address, Func<RbdImage, Task> take, TimeSpan maximumHold, IDictionary<RbdImage, Task> hanging,
        CancellationToken cancellationToken)
    {
        BarrierMember[] members = [.. images.Select(image => new BarrierMember(image, address))];
        var reached = new BarrierOutcome(GenerationResult.Failed);
        try
        {
            foreach (var member in members)
                member.Begin(take);
            reached = await ReachAsync(members, maximumHold, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // Whatever has happened: whoever writes waits for it.
            foreach (var member in members)
                member.Answer(reached.Result == GenerationResult.Taken ? Errno.None : Errno.ECANCELED);
        }
        await EndAsync(members, reached.Result, hanging).ConfigureAwait(false);
        if (reached.Result == GenerationResult.Taken)
            reached = Judge(members);
        else
            cancellationToken.ThrowIfCancellationRequested();
        return reached with { Held = members.Max(member => member.Held), Lost = members.Sum(member => member.Lost) };
    }

    private static async Task<BarrierOutcome> ReachAsync(BarrierMember[] members, TimeSpan maximumHold, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(maximumHold);
        var started = Stopwatch.GetTimestamp();
        try
        {
            await foreach (var _ in Task.WhenEach(members.Select(member => member.Ready)).WithCancellation(limit.Token).ConfigureAwait(false))
            {
                if (Judge(members) is { Result: not GenerationResult.Taken } wrong)
                    return wrong;
            }
            return new BarrierOutcome(Stopwatch.GetElapsedTime(started) > maximumHold ? GenerationResult.HeldTooLong : GenerationResult.Taken);
        }
        catch (OperationCanceledException)
        {
            return new BarrierOutcome(GenerationResult.HeldTooLong, members.FirstOrDefault(member => !member.Ready.IsCompleted)?.Image);
        }
    }

    // What was refused ends soon, unless the lock of an image was never given up.
    private static async Task EndAsync(BarrierMember[] members, GenerationResult result, IDictionary<RbdImage, Task> hanging)
    {
        var all = Task.WhenAll(members.Select(member => member.Ended));
        await Task.WhenAny(all, result == GenerationResult.Taken ? all : Task.Delay(EndLimit)).ConfigureAwait(false);
        foreach (var member in members.Where(member => !member.Ended.IsCompleted))
            hanging.Add(member.Image, member.Ended);
    }

    private static BarrierOutcome Judge(BarrierMember[] members) => members.FirstOrDefault(member => member.Failure is not null) is { } failed
        ? new BarrierOutcome(GenerationResult.Failed, failed.Image, failed.Failure)
        : new BarrierOutcome(members.Any(member => member.IsDoubtful) ? GenerationResult.Torn : GenerationResult.Taken);
}
