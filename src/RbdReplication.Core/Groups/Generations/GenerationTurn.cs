using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What became of a generation that was due.</summary>
/// <param name="Number">Its number; 0 where it came to none.</param>
/// <param name="Result">What became of it.</param>
/// <param name="Members">How many members it has.</param>
/// <param name="Held">For how long, at most, whoever writes to a member was kept from it.</param>
/// <param name="Problem">What was in the way; empty where nothing was.</param>
public sealed record GenerationAttempt(long Number, GenerationResult Result, int Members, TimeSpan Held, string Problem)
{
    /// <summary>Whether it is taken.</summary>
    public bool IsTaken => Result == GenerationResult.Taken;

    /// <summary>What became of it, in a word.</summary>
    public string Outcome => Result.ToString();

    /// <summary>One that was not begun.</summary>
    public static GenerationAttempt Failed(string problem) => new(0, GenerationResult.Failed, 0, TimeSpan.Zero, problem);
}

/// <summary>One look at a group that is kept: takes a generation if one is due and no other server does, and removes what is not needed any more.</summary>
/// <param name="group">The group.</param>
/// <param name="seen">Gets the group's state as it is.</param>
/// <param name="report">Gets what became of the generation.</param>
/// <param name="time">Clock.</param>
internal sealed class GenerationTurn(VolumeGroup group, Action<GroupState?> seen, GenerationReport report, TimeProvider time)
{
    private readonly GroupStateObject _object = new(group.Pool, group.Entry.Uuid);

    /// <summary>Does it.</summary>
    public async Task<DueLook> RunAsync(CancellationToken cancellationToken)
    {
        var wait = (await ReadAsync(cancellationToken).ConfigureAwait(false))?.UntilDue(time.GetUtcNow());
        if (wait != TimeSpan.Zero)
            return new(wait);
        await using var lease = await _object.TryLeaseAsync(time).ConfigureAwait(false);
        if (lease is null)
            return new(DuePause.First);
        // Another server may have taken it before the lease was ours.
        var state = await ReadAsync(cancellationToken).ConfigureAwait(false);
        wait = state?.UntilDue(time.GetUtcNow());
        if (state is null || wait != TimeSpan.Zero)
            return new(wait);
        var begun = time.GetUtcNow();
        var attempt = await TakeAsync(state, begun, cancellationToken).ConfigureAwait(false);
        return attempt.IsTaken
            ? new((await ReadAsync(cancellationToken).ConfigureAwait(false))?.UntilDue(time.GetUtcNow()))
            : new(DuePause.First, HasFailed: attempt.Result == GenerationResult.Failed);
    }

    private async Task<GroupState?> ReadAsync(CancellationToken cancellationToken)
    {
        var state = await _object.ReadAsync(cancellationToken).ConfigureAwait(false);
        seen(state);
        return state;
    }

    private async Task<GenerationAttempt> TakeAsync(GroupState state, DateTimeOffset begun, CancellationToken cancellationToken)
    {
        var uuid = group.Entry.Uuid;
        var images = await KnownMembers.ReadAsync(group.Pool, group.RequireMembers($"take a generation of {group}"), cancellationToken).ConfigureAwait(false);
        if (images.FirstOrDefault(image => image.ImageId is null) is { } missing)
            return Told(GenerationAttempt.Failed($"the image of volume {missing.Member.Id} is missing"));
        string[] ids = [.. images.Select(image => image.ImageId!)];
        if (ids.Length == 0)
        {
            await _object.SetTakenAsync(state.Taken, begun).ConfigureAwait(false);
            return new(0, GenerationResult.Taken, 0, TimeSpan.Zero, "");
        }
        var members = await Task.WhenAll(ids.Select(id => MemberSnapshots.ReadAsync(group.Pool, id, cancellationToken))).ConfigureAwait(false);
        var number = Math.Max(state.Generation + 1, GenerationRules.NextNumber(uuid, members));
        await _object.GiveNumberAsync(number).ConfigureAwait(false);
        var outcome = await GenerationTaking.TakeAsync(group.Pool, ids, new GenerationName(uuid, number).ToString(), state.MaximumHold, cancellationToken).ConfigureAwait(false);
        if (outcome.Result == GenerationResult.Taken)
            await _object.SetTakenAsync(number, begun).ConfigureAwait(false);
        var attempt = Told(new(number, outcome.Result, ids.Length, outcome.Held, ProblemOf(outcome, state, images)));
        await TidyAsync(members, number, cancellationToken).ConfigureAwait(false);
        return attempt;
    }

    private GenerationAttempt Told(GenerationAttempt attempt)
    {
        report(group.Handle, attempt);
        return attempt;
    }

    private static string ProblemOf(GenerationOutcome outcome, GroupState state, IReadOnlyList<KnownMember> images)
    {
        var volume = images.FirstOrDefault(image => image.ImageId == outcome.ImageId)?.Member.Id;
        return outcome.Result switch
        {
            GenerationResult.Taken => "",
            GenerationResult.HeldTooLong => $"volume {volume} was not ready within {state.MaximumHold.TotalSeconds:0.###} s, for which writers may be held (maximumHold of the class)",
            GenerationResult.Torn => "others took snapshots of members at the same moment, each time",
            _ => $"{(volume is null ? "" : $"volume {volume}: ")}{outcome.Failure?.Message}",
        };
    }

    // By what was seen before: what the newest has made unneeded goes with the next.
    private async Task TidyAsync(IReadOnlyList<MemberSnapshots> members, long inHand, CancellationToken cancellationToken)
    {
        var sites = await group.Connection.GetSitesAsync(group.Pool, cancellationToken).ConfigureAwait(false);
        var unneeded = GenerationRules.Unneeded(group.Entry.Uuid, members, sites.FollowerUuids, inHand);
        await GenerationRemoval.RunAsync(group.Pool, unneeded, cancellationToken).ConfigureAwait(false);
    }
}
