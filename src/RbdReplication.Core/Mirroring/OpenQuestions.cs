using System.Collections.Concurrent;

namespace RbdReplication.Core;

/// <summary>The role that a caller wants this site's image to have.</summary>
public enum WantedRole
{
    /// <summary>PromoteVolume.</summary>
    Primary,

    /// <summary>DemoteVolume and ResyncVolume, between which the controller alternates.</summary>
    Secondary,

    /// <summary>DisableVolumeReplication.</summary>
    None,
}

/// <summary>
/// What the image itself showed when a question was asked. Where it shows something else later, the question is a new one: what was
/// reported in between is about a state that is gone.
/// </summary>
/// <param name="ImageId">A resync makes another image.</param>
/// <param name="End">How its history ends.</param>
/// <param name="Demotion">Which demotion that is, if it is one.</param>
/// <param name="IsHeldByPeer">Of a demotion of this site: whether the peer holds it.</param>
public readonly record struct Evidence(string ImageId, HistoryEnd End, ulong Demotion, bool IsHeldByPeer)
{
    /// <summary>What an image shows now.</summary>
    public static Evidence Of(string imageId, Sighting seen) =>
        new(imageId, seen.End, seen.History.Demotion, seen.End == HistoryEnd.OwnDemotion && seen.PeerHoldsDemotion);
}

/// <summary>
/// A change of role that is asked for over and over. Since when tells reports that are newer than the question from old ones.
/// </summary>
/// <param name="wanted">The role.</param>
/// <param name="evidence">What the image showed when it was first asked.</param>
/// <param name="first">What was seen then.</param>
/// <param name="askedAt">When that was.</param>
public sealed class OpenQuestion(WantedRole wanted, Evidence evidence, Sighting first, DateTimeOffset askedAt)
{
    // The controller doubles its pauses, up to 1000 s. A pause that is much longer than those before it is no retry: somebody has
    // given up, and may have moved the volume meanwhile.
    private static readonly TimeSpan MaximumPause = TimeSpan.FromMinutes(20);
    private static readonly TimeSpan ShortPause = TimeSpan.FromSeconds(60);
    private const int Growth = 3;

    private DateTimeOffset _lastAsked = askedAt;
    private TimeSpan _longestPause;

    /// <summary>The role.</summary>
    public WantedRole Wanted => wanted;

    /// <summary>When it was first asked.</summary>
    public DateTimeOffset FirstAsked { get; } = askedAt;

    /// <summary>The image's mirror snapshots then.</summary>
    public MirrorChain First { get; } = first.Chain;

    /// <summary>Since when this site's mirror daemon is waited for to release the image; null while it is not.</summary>
    public DateTimeOffset? HeldSince { get; set; }

    /// <summary>Whether a mirror snapshot was taken for the peer to copy although there was one already.</summary>
    public bool HasNudged { get; set; }

    /// <summary>The last sighting of the image as primary, whoever asked for what then.</summary>
    public Sighting? AsPrimary { get; private set; } = first.End == HistoryEnd.Promotion ? first : first.AsPrimary;

    /// <summary>This question if the same is asked again now, else the one that takes its place.</summary>
    public OpenQuestion Again(WantedRole again, Evidence now, Sighting seen, DateTimeOffset at)
    {
        var pause = at - _lastAsked;
        if (again != wanted || now != evidence)
            return new(again, now, seen, at);
        var longest = _longestPause * Growth > ShortPause ? _longestPause * Growth : ShortPause;
        // One who asks rarely is recognised by the second pause.
        if (pause > longest || pause > MaximumPause)
            return new(again, now, seen, at) { _longestPause = pause };
        if (pause > _longestPause)
            _longestPause = pause;
        _lastAsked = at;
        if (seen.End == HistoryEnd.Promotion)
            AsPrimary = seen;
        return this;
    }
}

/// <summary>
/// The open question of each volume: one, since a volume has one role, and another kind of change takes its place. A restart
/// forgets them, which only means waiting again. Used by who holds the volume's gate.
/// </summary>
public sealed class OpenQuestions(TimeProvider time)
{
    private readonly ConcurrentDictionary<string, OpenQuestion> _open = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Looks at an image and notes what is asked for it.</summary>
    /// <returns>What is seen, and the question as it was first asked.</returns>
    internal async Task<(Sighting Seen, OpenQuestion Question)> LookAsync(OpenVolume open, WantedRole wanted, CancellationToken cancellationToken) =>
        Ask(open.Volume.Handle, wanted, open.Image.GetId(), await Sighting.ReadAsync(open, time, cancellationToken).ConfigureAwait(false));

    /// <summary>Notes a question and returns it as it was first asked, with what is seen and was seen before.</summary>
    public (Sighting Seen, OpenQuestion Question) Ask(VolumeHandle volume, WantedRole wanted, string imageId, Sighting seen)
    {
        var now = time.GetUtcNow();
        if (_open.TryGetValue(volume.Uuid, out var before))
            seen = seen with { AsPrimary = before.AsPrimary };
        var evidence = Evidence.Of(imageId, seen);
        return (seen, _open[volume.Uuid] = before?.Again(wanted, evidence, seen, now) ?? new OpenQuestion(wanted, evidence, seen, now));
    }

    /// <summary>Another role is wanted of a volume that has it already.</summary>
    public void Withdraw(VolumeHandle volume, WantedRole wanted)
    {
        if (_open.TryGetValue(volume.Uuid, out var open) && open.Wanted == wanted)
            Settle(volume);
    }

    /// <summary>The volume has another role now, or is not mirrored any more: nothing is open.</summary>
    public void Settle(VolumeHandle volume) => _open.TryRemove(volume.Uuid, out _);
}
