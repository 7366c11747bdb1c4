using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Whether an image is mirrored, and whether it can be.</summary>
public static class EnableRules
{
    /// <summary>Whether a call that needs a mirrored image can go on.</summary>
    /// <param name="state">Whether the image is mirrored.</param>
    /// <param name="volume">The volume, for the message.</param>
    public static RelocationDecision Mirrored(MirrorImageState state, string volume) => state switch
    {
        MirrorImageState.Enabled => RelocationDecision.Allow("it is mirrored"),
        MirrorImageState.Disabled => RelocationDecision.Refuse(
            ReplicationError.FailedPrecondition, $"replication is not enabled for {volume}; enable it first"),
        _ => Passing(state, volume),
    };

    /// <summary>The refusal where a state that passes is met.</summary>
    /// <param name="state">The state.</param>
    /// <param name="volume">The volume, for the message.</param>
    public static RelocationDecision Passing(MirrorImageState state, string volume) => RelocationDecision.Refuse(
        ReplicationError.Busy,
        state == MirrorImageState.Disabling
            ? $"mirroring of {volume} is being disabled; where that was cut off, disabling it again finishes it"
            : $"{volume} is in mirroring state \"{state}\", which ends by itself; retry");

    /// <summary>Whether an image that is mirrored is so in the mode that is asked for.</summary>
    public static RelocationDecision Mode(MirrorImageMode mode, MirrorImageMode wanted) => mode == wanted
        ? RelocationDecision.Allow("it is mirrored in this mode")
        : RelocationDecision.Refuse(
            ReplicationError.NotConfigured,
            $"it is mirrored in {Name(mode)} mode, and {Name(wanted)} mode is asked for; disable it first, or correct mirroringMode in the class");

    /// <summary>Whether the peer would get all that it takes to open the copy of an encrypted volume.</summary>
    /// <param name="metadata">The image's metadata.</param>
    public static RelocationDecision Key(IReadOnlyDictionary<string, string> metadata) => EncryptionMarks.FindLocal(metadata) is { } key
        ? RelocationDecision.Refuse(
            ReplicationError.NotConfigured,
            $"an old release of the driver keeps its encryption in image metadata {key}, which never reaches the peer, where nobody could open the copy; restart a pod that uses the volume, with a current driver: it moves that to {key[1..]}")
        : RelocationDecision.Allow("the peer gets the key too");

    /// <summary>Whether an image is anybody's but a drill's, whose clones never leave this site.</summary>
    /// <param name="metadata">The image's metadata.</param>
    public static RelocationDecision NoDrill(IReadOnlyDictionary<string, string> metadata) => DrillMarks.DrillOf(metadata) is { } drill
        ? RelocationDecision.Refuse(
            ReplicationError.FailedPrecondition,
            $"it belongs to drill {drill} and is thrown away with it; remove the drill with drill remove when it is over, and delete what asks for replication of its claims")
        : RelocationDecision.Allow("it belongs to no drill");

    private static string Name(MirrorImageMode mode) => mode == MirrorImageMode.Journal ? "journal" : "snapshot";
}
